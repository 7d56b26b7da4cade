"""The command as a user types it: in a process of its own, or, quicker, in the test's."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from scripts.cli.first_process import RUN_FOLDER_VARIABLE
from scripts.main import main

ROOT = Path(__file__).parents[2]
SMALL = ("--model.network.widths", "[32]")


def finish(process: subprocess.Popen, status: int = 0) -> subprocess.CompletedProcess:
    """Wait for a process; return what it printed."""
    out, err = process.communicate(timeout=200)
    assert process.returncode == status, out + err
    return subprocess.CompletedProcess(process.args, status, out, err)


class Desk:
    """A folder that sees `configs/`, to type `holdout` in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "configs").symlink_to(ROOT / "configs")

    @staticmethod
    def digits(epochs: int) -> tuple[str, ...]:
        """Return the flags that train a small network on digits."""
        return ("-c", "configs/digits.yaml", *SMALL, "--trainer.max_epochs", str(epochs))

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start the command in a process of its own, whose output can be read as it comes."""
        return subprocess.Popen(
            [sys.executable, "-m", "scripts.main", *arguments],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Under a shell's `&` this process ignores interrupts, and what it starts would too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, *arguments: str, status: int = 0) -> subprocess.CompletedProcess:
        """Run the command in a process of its own."""
        return finish(self.start(*arguments), status)

    def here(self, *arguments: str, status: int = 0) -> subprocess.CompletedProcess:
        """Run the command in this process: the same, without the seconds that imports take."""
        out, err, found = io.StringIO(), io.StringIO(), 0
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            mock.patch.dict(os.environ),
            mock.patch.object(sys, "argv", ["holdout", *arguments]),
        ):
            os.environ.pop(RUN_FOLDER_VARIABLE, None)
            try:
                main()
            except SystemExit as stopped:
                found = stopped.code or 0
        assert found == status, out.getvalue() + err.getvalue()
        return subprocess.CompletedProcess(arguments, found, out.getvalue(), err.getvalue())

    def fit(self, name: str, *arguments: str, epochs: int = 2, status: int = 0) -> Path:
        """Train a small network on digits in this process; return the run's folder."""
        self.here("fit", *self.digits(epochs), "--name", name, *arguments, status=status)
        return max((self.folder / "runs" / name).iterdir())


Trained = tuple[Desk, subprocess.CompletedProcess]


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> None:
    """Let an interrupt of a test's own reach this process, which a shell's `&` keeps from it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module", autouse=True)
def quick_pictures(request: pytest.FixtureRequest) -> Iterator[None]:
    """Draw figures but leave their files blank, which take half of a short run, unless a file says LOOKS_AT_PICTURES.

    Commands in a separate process still draw them.
    """
    with contextlib.ExitStack() as stack:
        if not getattr(request.module, "LOOKS_AT_PICTURES", False):
            stack.enter_context(mock.patch("callbacks.figures.as_png", blank_png))
        yield


def blank_png(figure: Figure) -> bytes:
    """Return a small white picture with the figure's caption."""
    info = PngInfo()
    info.add_text("Description", str(figure.get_label()))
    with io.BytesIO() as file:
        Image.new("RGB", (64, 48), "white").save(file, "png", pnginfo=info)
        return file.getvalue()


@pytest.fixture(scope="session")
def new_desk(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Desk]:
    """Make a folder to type `holdout` in."""
    return lambda: Desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture(scope="module")
def desk(new_desk: Callable[[], Desk]) -> Desk:
    """A folder to type `holdout` in, which the tests of a file share."""
    return new_desk()


@pytest.fixture(scope="session")
def trained_twice(new_desk: Callable[[], Desk]) -> list[Trained]:
    """`holdout fit -c configs/digits.yaml --trainer.max_epochs 3`, for real, in two folders at the same time."""
    desks = [new_desk(), new_desk()]
    arguments = ("fit", "-c", "configs/digits.yaml", "--trainer.max_epochs", "3")
    processes = [desk.start(*arguments) for desk in desks]
    return [(desk, finish(process)) for desk, process in zip(desks, processes, strict=True)]


@pytest.fixture(scope="session")
def trained(trained_twice: list[Trained]) -> Trained:
    """A folder with a run of three epochs on digits, and what was printed."""
    return trained_twice[0]
