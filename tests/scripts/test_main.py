"""What the command answers at once: help of the whole, versions, and words that name no job."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from scripts.cli.jobs import JOBS
from scripts.main import main

ROOT = Path(__file__).parents[2]
WITHOUT_TORCH = """
import sys
from scripts.main import main
sys.argv = ["holdout", *sys.argv[1:]]
try:
    main()
finally:
    assert not {"torch", "lightning", "numpy", "jsonargparse"} & sys.modules.keys()
"""


def run_without_torch(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run the command in a process of its own, which must not import torch."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *arguments],
        env={"PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_job(flag: str) -> None:
    done = run_without_torch(flag)
    assert done.returncode == 0
    assert done.stderr == ""
    for job in JOBS.values():
        assert re.search(rf"^  {job.name} +{job.help[:20]}", done.stdout, re.MULTILINE)
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_version_is_that_of_the_project_and_of_what_it_stands_on() -> None:
    done = run_without_torch("--version")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("holdout ")
    assert f"torch {version('torch')}" in lines
    assert f"lightning {version('lightning')}" in lines


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", f"which job? holdout fit -c configs/digits.yaml; there are {', '.join(JOBS)}"),
        ("fti -c configs/digits.yaml", "there is no job 'fti'; did you mean fit?"),
        ("bake", f"there is no job 'bake'; there are {', '.join(JOBS)}"),
        ("-c configs/digits.yaml", "the job comes first; did you mean holdout fit -c configs/digits.yaml?"),
        ("-c a.yaml --ckpt_path best test", "did you mean holdout test -c a.yaml --ckpt_path best?"),
        ("configs/digits.yaml", "did you mean holdout fit -c configs/digits.yaml?"),
        ("best.ckpt", "did you mean holdout test --ckpt_path best.ckpt?"),
    ],
)
def test_a_word_that_names_no_job(words: str, said: str) -> None:
    done = run_without_torch(*words.split())
    assert done.returncode == 2
    assert done.stderr.startswith("holdout: error: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_only_the_first_process_complains(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(sys, "argv", ["holdout", "bake"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err == ""


AT_EXIT = """
import atexit, sys, threading, time
from scripts.main import command

def late():
    time.sleep(0.3)
    print("a thread ended")

atexit.register(print, "a handler ran")
threading.Thread(target=late).start()
sys.argv = ["holdout", *sys.argv[1:]]
command()
"""


@pytest.mark.parametrize(("words", "status"), [("--version", 0), ("list", 0), ("nonsense", 2), ("list nonsense", 2)])
def test_a_process_ends_with_its_status_once_all_that_waits_for_its_end_is_done(
    words: str, status: int, tmp_path: Path
) -> None:
    with (tmp_path / "out").open("w") as out:  # a file: what is printed is held back until the end
        done = subprocess.run(
            [sys.executable, "-c", AT_EXIT, *words.split()],
            env={"PYTHONPATH": str(ROOT)},
            stdout=out,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == status
    assert (tmp_path / "out").read_text().splitlines()[-2:] == ["a thread ended", "a handler ran"]


SEARCHES = """
import gc
import sys
from scripts.main import main
searches = []
gc.callbacks.append(lambda phase, about: searches.append(about["generation"]) if not gc.get_freeze_count() else None)
sys.argv = ["holdout", "fit", "-c", sys.argv[1], "--print_config"]
try:
    main()
finally:
    assert gc.isenabled()
    assert "lightning" in sys.modules
    assert gc.get_freeze_count() > 100_000
    print("searches of everything:", searches.count(2), file=sys.stderr)
"""


def test_what_a_job_imports_is_left_out_of_searches_for_garbage() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SEARCHES, str(ROOT / "configs" / "digits.yaml")],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "searches of everything: 0"
