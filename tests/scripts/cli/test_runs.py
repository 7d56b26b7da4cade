import os
from pathlib import Path

import pytest
from lightning.pytorch.utilities import rank_zero_only

from scripts.cli.errors import UsageError
from scripts.cli.first_process import RUN_FOLDER_VARIABLE
from scripts.cli.runs import (
    find_checkpoint,
    folder_to_resume,
    new_run_folder,
    remove_empty_run,
    run_folder_of,
    versions,
)

RUNS = Path("runs")


def make_run(name: str, *checkpoints: str) -> Path:
    """A run folder as `fit` leaves it, as far as finding it goes."""
    folder = RUNS / name
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").touch()
    for checkpoint in checkpoints:
        (folder / "checkpoints" / checkpoint).touch()
    return folder


def test_versions_are_numbers_in_order_whatever_else_lies_there() -> None:
    for name in ("version_10", "version_9", "version_x", "old_version_3", "version_4_copy"):
        (RUNS / "digits" / name).mkdir(parents=True)
    (RUNS / "digits" / "version_99").touch()
    assert versions(RUNS / "digits") == [9, 10]
    assert versions(RUNS / "nothing") == []


@pytest.mark.parametrize(("existing", "new"), [([], 0), ([0], 1), ([9, 10], 11), ([0, 7], 8)])
def test_a_new_run_gets_the_next_number(existing: list[int], new: int) -> None:
    for number in existing:
        (RUNS / "digits" / f"version_{number}").mkdir(parents=True)
    assert new_run_folder(RUNS, "digits") == RUNS / "digits" / f"version_{new}"


def test_every_process_of_a_run_gets_the_same_folder() -> None:
    chosen = new_run_folder(RUNS, "digits")
    assert os.environ[RUN_FOLDER_VARIABLE] == str(chosen), "what DDP hands to the processes it starts"
    assert new_run_folder(RUNS, "digits") == chosen


def test_another_run_begun_at_the_same_time_gets_another_folder() -> None:
    first = new_run_folder(RUNS, "digits")
    del os.environ[RUN_FOLDER_VARIABLE]
    assert new_run_folder(RUNS, "digits") != first


def test_a_process_that_cannot_know_the_first_ones_choice_makes_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    new_run_folder(RUNS, "digits")
    assert not RUNS.exists()
    assert RUN_FOLDER_VARIABLE not in os.environ


@pytest.mark.parametrize("kind", ["last", "best"])
def test_last_and_best_are_those_of_the_newest_run(kind: str) -> None:
    for number in (2, 9, 10):
        make_run(f"digits/version_{number}", "last.ckpt", "best.ckpt")
    make_run("mnist/version_12", "last.ckpt", "best.ckpt")
    assert find_checkpoint(kind, RUNS, "digits") == RUNS / f"digits/version_10/checkpoints/{kind}.ckpt"


def test_an_older_run_never_stands_in_for_the_newest() -> None:
    make_run("digits/version_0", "last.ckpt")
    make_run("digits/version_1")
    with pytest.raises(UsageError, match=r"version_1, has no last.ckpt.*--ckpt_path runs/digits/version_0/"):
        find_checkpoint("last", RUNS, "digits")


@pytest.mark.parametrize(
    ("name", "kind", "inside"), [("digits", "last", True), ("digits", "best", False), ("b", "last", False)]
)
def test_only_the_last_epoch_of_a_run_of_the_name_goes_on_in_its_folder(name: str, kind: str, inside: bool) -> None:
    folder = make_run("digits/version_0", "last.ckpt", "best.ckpt")
    checkpoint = folder / "checkpoints" / f"{kind}.ckpt"
    assert (
        folder_to_resume(checkpoint, name, None)
        == folder_to_resume(checkpoint, name, RUNS)
        == (folder if inside else None)
    )
    assert folder_to_resume(checkpoint, name, Path("elsewhere")) is None


def test_a_path_is_taken_as_it_is() -> None:
    folder = make_run("digits/version_0", "best.ckpt")
    path = folder / "checkpoints" / "best.ckpt"
    assert find_checkpoint(str(path), RUNS, None) == path


@pytest.mark.parametrize(
    ("checkpoint", "name", "said"),
    [
        ("nowhere.ckpt", "digits", "nowhere.ckpt"),
        ("last", None, "-c"),
        ("best", "digits", "runs/digits"),
        ("runs/digits/version_0", "digits", "folder without checkpoints/best.ckpt"),
    ],
)
def test_a_checkpoint_that_is_not_there(checkpoint: str, name: str | None, said: str) -> None:
    make_run("digits/version_0")
    with pytest.raises(UsageError, match=said):
        find_checkpoint(checkpoint, RUNS, name)


def test_a_checkpoint_in_a_run_folder_knows_it() -> None:
    folder = make_run("digits/version_0", "best.ckpt")
    assert run_folder_of(folder / "checkpoints" / "best.ckpt") == folder


def test_a_checkpoint_elsewhere_has_no_run_folder() -> None:
    folder = make_run("digits/version_0", "best.ckpt")
    assert run_folder_of(folder / "copies" / "best.ckpt") is None
    (folder / "config.yaml").unlink()
    assert run_folder_of(folder / "checkpoints" / "best.ckpt") is None


def test_a_run_that_kept_nothing_leaves_no_folder_that_was_made_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mine").mkdir()
    for runs_dir in (Path("mine/runs/new"), Path("mine")):
        monkeypatch.delenv(RUN_FOLDER_VARIABLE, raising=False)
        new_run_folder(runs_dir, "name")
        remove_empty_run()
        assert {str(path) for path in Path().rglob("*") if not path.is_symlink()} == {"mine"}
