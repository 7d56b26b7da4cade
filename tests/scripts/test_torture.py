"""Killed at chosen and random instants, a run leaves what an uninterrupted one leaves, file by file."""

import json
from pathlib import Path

import pytest

from scripts.run_differences import differences
from scripts.torture import INSTANTS, choose_kills, torture, uninterrupted

DIGITS = ("-c", "configs/digits.yaml", "--model.network.widths", "[16]", "--trainer.max_epochs", "3")
STEPS = ("--checkpoint.every_n_train_steps", "4")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_three_times_it_leaves_what_it_would_have_left(tmp_path: Path) -> None:
    whole, calls = uninterrupted((*DIGITS, *STEPS), tmp_path)
    trials = torture((*DIGITS, *STEPS), choose_kills(calls, 3), tmp_path, whole)
    assert {trial.kill: trial.differences for trial in trials if trial.differences} == {}
    assert all(trial.status for trial in trials), "every run was killed"


def test_the_kills_are_drawn_among_the_calls_that_a_run_makes() -> None:
    calls = dict.fromkeys(INSTANTS, 3) | {"while plotting": 0}
    kills = choose_kills(calls, 30)
    assert {kill.instant for kill in kills} == INSTANTS.keys() - {"while plotting"}
    assert {kill.number for kill in kills} == {0, 1, 2}
    assert {kill.signal for kill in kills} == {"KILL", "TERM", "INT"}
    assert kills == choose_kills(calls, 30)


def test_folders_are_compared_by_all_that_is_not_a_time(tmp_path: Path) -> None:
    for name, seconds in (("first", 1), ("second", 2)):
        (tmp_path / name / "figures").mkdir(parents=True)
        (tmp_path / name / "summary.json").write_text(json.dumps({"wall_seconds": seconds, "best": {"val/loss": 0.5}}))
        (tmp_path / name / "config.yaml").write_text("seed_everything: 0")
    folders = tmp_path / "first", tmp_path / "second"
    assert differences(*folders) == []
    (folders[1] / "summary.json").write_text(json.dumps({"best": {"val/loss": 0.25}}))
    (folders[1] / "config.yaml").write_text("seed_everything: 1")
    (folders[1] / "figures" / "curves.png").touch()
    said = " ".join(differences(*folders))
    assert "val/loss was 0.5, is 0.25" in said
    assert "config.yaml differs" in said
    assert "curves.png: only in" in said
