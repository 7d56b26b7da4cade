"""What the whole suite needs: the repository on the path, quiet runs, small trainers."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import lightning as L
import pytest
import torch
from hypothesis import settings

# An example that takes long says that the machine is busy, not that the code is wrong.
settings.register_profile("holdout", deadline=None)
settings.load_profile("holdout")

ROOT = Path(__file__).parents[1]
Holdout = Callable[..., subprocess.CompletedProcess]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that hold slow tests: one begun last would keep one worker busy and leave the other idle."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def no_key() -> Iterator[None]:
    """Keep no key in the home of whoever runs the tests: a run counts as somebody else's, unless a test makes a key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", os.devnull)
        yield


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower on several threads than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def holdout(tmp_path: Path) -> Holdout:
    """Run the real command in a process of its own, from a folder of its own that sees `configs/`."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")

    def run(*arguments: str, check: bool = True, timeout: float = 240) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "scripts.main", *arguments]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def quiet_trainer(tmp_path: Path) -> Callable[..., L.Trainer]:
    """Make a CPU trainer that logs, saves and prints nothing unless told to."""

    def make(**options: object) -> L.Trainer:
        defaults = {
            "accelerator": "cpu",
            "devices": 1,
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "default_root_dir": tmp_path,
        }
        return L.Trainer(**(defaults | options))

    return make
