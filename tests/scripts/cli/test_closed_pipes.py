"""Output whose reader goes away, as after `| head -3`: no traceback, and a training keeps all of its files."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.main import GOES_ON, main

ROOT = Path(__file__).parents[3]
FIT = "fit -c configs/digits.yaml --model.network.widths [32] --trainer.max_epochs 2"
TEST = "test --ckpt_path runs/digits/version_0"
PREDICT = "predict --ckpt_path runs/digits/version_0 --output predictions.csv"


def typed_with_no_reader(command: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command in this process, its standard output a pipe whose other end is closed; return the exit status."""
    reading, writing = os.pipe()
    os.close(reading)
    monkeypatch.setattr(sys, "argv", ["holdout", *command.split()])
    with os.fdopen(writing, "w") as pipe, contextlib.redirect_stdout(pipe):
        try:
            main()
        except SystemExit as ended:
            return int(ended.code or 0)
    return 0


def test_a_job_goes_on_to_its_end_and_keeps_all_its_files(workplace: Path, monkeypatch, capfd) -> None:
    assert typed_with_no_reader(FIT, monkeypatch) == 0
    assert capfd.readouterr().err == GOES_ON
    run = workplace / "runs" / "digits" / "version_0"
    kept = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert kept >= {"config.yaml", "summary.json", "split.json", "checkpoints/best.ckpt", "checkpoints/last.ckpt"}
    assert '"epochs": 2' in (run / "summary.json").read_text()
    assert typed_with_no_reader(TEST, monkeypatch) == 0
    assert (run / "test.json").is_file()
    assert typed_with_no_reader(PREDICT, monkeypatch) == 0
    assert len((workplace / "predictions.csv").read_text().splitlines()) == 360
    assert typed_with_no_reader(f"{FIT} --print_config", monkeypatch) == 0
    assert capfd.readouterr().err == ""


def read_in_part(command: str, lines: int, both: bool = False) -> tuple[str, int]:
    """Run a command in a process of its own and read a few lines; return its standard error and exit status."""
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.main", *command.split()],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if both else subprocess.PIPE,
        text=True,
    )
    for _ in range(lines):
        assert process.stdout.readline()
    process.stdout.close()
    error = "" if both else process.stderr.read()
    return error, process.wait(timeout=120)


@pytest.mark.parametrize(
    ("command", "lines"), [("--help", 0), ("--version", 1), ("fit --help", 1), ("list recipes", 1)]
)
@pytest.mark.usefixtures("workplace")
def test_an_answer_that_is_read_in_part_ends_well(command: str, lines: int) -> None:
    assert read_in_part(command, lines) == ("", 0)


@pytest.mark.usefixtures("workplace")
def test_a_mistake_keeps_its_status() -> None:
    assert read_in_part("fti", 0, both=True) == ("", 2)
