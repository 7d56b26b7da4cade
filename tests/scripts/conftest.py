"""The command line run in the test's own process, in a folder of its own that sees `configs/`."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest

from scripts.cli.first_process import RUN_FOLDER_VARIABLE
from scripts.main import main

ROOT = Path(__file__).parents[2]
Complain = Callable[..., str]


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory and an environment that the next test sees nothing of."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    with mock.patch.dict(os.environ):
        os.environ.pop(RUN_FOLDER_VARIABLE, None)
        yield tmp_path


@pytest.fixture
def complaint(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Complain:
    """Run a command line that is wrong; return the one line it is answered with."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["holdout", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        complained = capfd.readouterr().err
        assert stopped.value.code == 2
        assert complained.startswith("holdout: error: "), complained
        assert complained.count("\n") == 1, complained
        assert complained.endswith("\n")
        return complained.removeprefix("holdout: error: ").rstrip("\n")

    return run
