"""The table of jobs: a row is all that a job needs."""

import contextlib
import sys

import pytest

from scripts.cli.errors import UsageError
from scripts.cli.jobs import JOBS, Job
from scripts.main import main

baked: list[list[str]] = []


def bake(job: Job, words: list[str]) -> None:
    if words == ["--burn"]:
        raise UsageError("bread: it burns")
    baked.append([job.name, *words])


@pytest.fixture(autouse=True)
def bakery(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a job that is not a method of Lightning's Trainer."""
    monkeypatch.setitem(JOBS, "bake", Job("bake", "bake bread", "holdout bake [WORD ...]", f"{__name__}:bake"))
    baked.clear()


def test_a_new_row_is_a_job_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["holdout", "bake", "rye", "--minutes", "40"])
    main()
    assert baked == [["bake", "rye", "--minutes", "40"]]


def test_it_shows_in_the_help(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["holdout", "--help"])
    with contextlib.suppress(SystemExit):
        main()
    shown = capfd.readouterr().out
    assert all(job.name in shown and job.help.split()[0] in shown for job in JOBS.values())


def test_its_mistakes_are_one_line(complaint) -> None:
    assert complaint("bake", "--burn") == "bread: it burns"
    assert "did you mean bake?" in complaint("bakee")


def test_every_row_names_a_function() -> None:
    for job in JOBS.values():
        module, _, function = job.run.partition(":")
        assert callable(getattr(__import__(module, fromlist=[function]), function))
