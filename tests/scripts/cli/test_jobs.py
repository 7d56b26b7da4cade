"""The table of jobs: a row is all that a job needs."""

import contextlib
import sys
from pathlib import Path

import pytest

from scripts.cli import training
from scripts.cli.errors import UsageError
from scripts.cli.jobs import CLASSES, JOBS, MONITORS, RUN, Job, Option
from scripts.main import main

ROOT = Path(__file__).parents[3]
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


def count(job: Job, words: list[str]) -> None:
    settings = training.prepare(job, words)
    baked.append([settings.settings["shout"], str(settings.data.num_classes)])


def test_a_job_takes_options_and_a_recipe_without_a_checkpoint(monkeypatch: pytest.MonkeyPatch, complaint) -> None:
    options = (*RUN, Option("--shout", "TEXT", "what to shout"), *CLASSES)
    row = Job(
        "count", "count classes", "holdout count -c RECIPE", f"{__name__}:count", options=options, ignored=MONITORS
    )
    monkeypatch.setitem(JOBS, "count", row)
    monkeypatch.setattr(
        sys, "argv", ["holdout", "count", "-c", str(ROOT / "configs" / "digits.yaml"), "--shout", "ten"]
    )
    main()
    assert baked == [["ten", "10"]]
    assert complaint("count").startswith("count needs a recipe: -c FILE")
