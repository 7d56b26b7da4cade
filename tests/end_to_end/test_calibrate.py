"""`holdout calibrate`: a temperature and prediction sets, fitted on the validation part and kept in the checkpoint."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models import Classifier

LOOKS_AT_PICTURES = True

RUN = "runs/digits/version_0"
BEST = f"{RUN}/checkpoints/best.ckpt"


@pytest.fixture(scope="module")
def desk(new_desk):
    """A folder with a run of two epochs on digits."""
    desk = new_desk()
    desk.fit("digits")
    return desk


@pytest.fixture
def copied(desk, tmp_path):
    """Copy the run's folder, so that a test may change it; return the path to type."""

    def copy(name="copy"):
        target = desk.folder / "runs" / f"{tmp_path.name}_{name}" / "version_0"
        shutil.copytree(desk.folder / "runs" / "digits" / "version_0", target)
        return target.relative_to(desk.folder)

    return copy


def content(path: Path) -> dict:
    return torch.load(path, map_location="cpu", weights_only=True)


def same(first, second) -> bool:
    """Compare nested values, tensors bit for bit, and their types."""
    if type(first) is not type(second):
        return False
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_says_what_it_changes_and_what_uses_it_says_so(desk, copied):
    run = copied()
    plain = desk.here("test", "--ckpt_path", str(run)).stdout
    assert "calibrated" not in plain
    done = desk.here("calibrate", "--ckpt_path", str(run))
    temperature = content(desk.folder / run / "checkpoints" / "best.ckpt")["calibration"]["temperature"]
    words = f"temperature {temperature:.4g}; prediction sets of coverage 0.9"
    lines = done.stdout.splitlines()
    assert lines[1] == f"calibrated on 144 validation samples: {words}"
    before, after = map(float, re.findall(r"\d\.\d+", lines[2]))
    assert after < before
    assert lines[2].startswith("  negative log-likelihood")
    assert lines[3].startswith("  expected calibration error")
    assert lines[4] == f"kept in {run}/checkpoints/best.ckpt: test and predict use it"
    assert done.stderr == ""
    calibrated = desk.here("test", "--ckpt_path", str(run)).stdout
    assert calibrated.splitlines()[1] == f"calibrated: {words}"
    assert desk.here("predict", "--ckpt_path", str(run)).stdout.splitlines()[1] == f"calibrated: {words}"
    written = json.loads((desk.folder / run / "test.json").read_text())
    assert written["calibration"]["temperature"] == temperature
    assert written["calibration"]["conformal"]["coverage"] == 0.9
    rows = rows_of(desk.folder / run / "predictions.csv")
    held = [row["target"] in row["prediction_set"].split("|") for row in rows]
    assert written["metrics"]["test/set_coverage"] == pytest.approx(sum(held) / 359)
    assert 0.8 < written["metrics"]["test/set_coverage"] < 1
    assert (desk.folder / run / "figures" / "reliability.png").stat().st_size > 10_000


def test_the_rest_of_the_checkpoint_stays_and_a_second_time_changes_nothing(desk, copied):
    run = copied()
    path = desk.folder / run / "checkpoints" / "best.ckpt"
    before, time = content(path), path.stat().st_mtime_ns
    desk.here("calibrate", "--ckpt_path", str(run / "checkpoints" / "best.ckpt"))
    first = content(path)
    desk.here("calibrate", "--ckpt_path", str(run))
    assert same(content(path), first)
    del first["calibration"]
    assert same(first, before)
    assert path.stat().st_mtime_ns == time, "it says which checkpoint is the newest"
    assert [entry.name for entry in path.parent.iterdir() if entry.name.startswith(".")] == []
    task = Classifier.load_from_checkpoint(path, weights_only=True)
    assert task.temperature == content(path)["calibration"]["temperature"] != 1


def test_a_calibrated_run_is_resumed_as_one_that_is_not(desk, copied):
    """From `last.ckpt`, and by "auto"; a run that has ended has its summary still."""
    runs = [copied(again) for again in ("plain", "calibrated")]
    last = [desk.folder / run / "checkpoints" / "last.ckpt" for run in runs]
    calibrate = desk.here("calibrate", "--ckpt_path", str(last[1].relative_to(desk.folder)))
    assert "calibrated on 144" in calibrate.stdout
    assert "calibration" in content(last[1])
    ended = desk.here("fit", "--ckpt_path", str(last[1].relative_to(desk.folder)))
    assert "has trained 2 epochs already" in ended.stdout
    for run, checkpoint in zip(runs, ("last", "auto"), strict=True):
        desk.here("fit", *desk.digits(3), "--name", run.parts[1], "--ckpt_path", checkpoint)
    plain, calibrated = map(content, last)
    assert plain["epoch"] == 2
    assert "calibration" not in calibrated
    for part in ("state_dict", "optimizer_states", "device_states", "callback_metrics", "epoch", "global_step"):
        assert same(plain[part], calibrated[part]), part


def test_intervals_of_a_regression(desk):
    desk.here("fit", "-c", "configs/diabetes_mlp.yaml", "--trainer.max_epochs", "5")
    run = "runs/diabetes_mlp/version_0"
    done = desk.here("calibrate", "--ckpt_path", run, "--coverage", "0.8")
    said = re.search(r"validation samples: intervals of coverage 0.8: ± ([\d.]+)\n", done.stdout)
    assert said is not None
    assert "temperature" not in done.stdout
    assert f"calibrated: intervals of coverage 0.8: ± {said[1]}" in desk.here("test", "--ckpt_path", run).stdout
    desk.here("predict", "--ckpt_path", run)
    rows = rows_of(desk.folder / run / "predictions.csv")
    held = [float(row["lower"]) <= float(row["target"]) <= float(row["upper"]) for row in rows]
    measured = json.loads((desk.folder / run / "test.json").read_text())["metrics"]["test/interval_coverage"]
    assert measured == pytest.approx(sum(held) / len(rows))
    assert 0.6 < measured < 0.95
    assert not (desk.folder / run / "figures" / "reliability.png").exists()


def test_views_are_averaged_said_and_part_of_the_calibration(desk, copied):
    run = str(copied())
    views = ("--test_time_augmentation", "ShiftViews", "--test_time_augmentation.flip", "false")
    words = "ShiftViews (3 views: the image, shifted by 1 pixels)"
    desk.here("calibrate", "--ckpt_path", run, *views)
    done = desk.here("test", "--ckpt_path", run, *views).stdout
    assert f"test-time augmentation: {words}\n" in done
    assert "says little here" not in done
    seen = json.loads((desk.folder / run / "test.json").read_text())
    assert seen["test_time_augmentation"] == words
    assert f"test-time augmentation: {words}\n" in desk.here("predict", "--ckpt_path", run, *views).stdout
    other = desk.here("test", "--ckpt_path", run).stdout
    assert f"the calibration was fitted with {words}, and says little here" in other
    alone = json.loads((desk.folder / run / "test.json").read_text())
    assert "test_time_augmentation" not in alone
    assert alone["metrics"] != seen["metrics"]


BAD = [
    (("--coverage", "1"), "--coverage 1 is not between 0 and 1"),
    (("--coverage", "most"), "--coverage most is not a number"),
    (("--coverage", "0.999"), "a coverage of 0.999 needs 999 validation samples or more, not 144; give a lower"),
    (("--test_time_augmentation", "HorizontalFlip"), "test_time_augmentation"),
    (("--trainer.limit_val_batches", "0"), "trainer.limit_val_batches: 0 leaves nothing to calibrate"),
]


@pytest.mark.parametrize(("flags", "said"), BAD)
def test_what_cannot_be_is_one_line_and_changes_nothing(desk, flags, said):
    before = (desk.folder / BEST).read_bytes()
    error = desk.here("calibrate", "--ckpt_path", BEST, *flags, status=2).stderr
    assert said in error
    assert error.count("\n") == 1
    assert (desk.folder / BEST).read_bytes() == before


def test_a_table_has_no_views(desk):
    flags = ("-c", "configs/breast_cancer_mlp.yaml", "--trainer.max_epochs", "1")
    desk.here("fit", *flags)
    run = ("--ckpt_path", "runs/breast_cancer_mlp/version_0", "--test_time_augmentation", "FlipViews")
    for job in ("predict", "calibrate"):
        error = desk.here(job, *run, status=2).stderr
        assert error == "holdout: error: test_time_augmentation: FlipViews takes images, not samples (30,)\n"


def test_a_run_that_is_being_trained_is_left_alone(desk):
    path = str(desk.folder / RUN / ".lock")
    lock = f"import fcntl, sys; file = open({path!r}, 'w'); fcntl.lockf(file, fcntl.LOCK_EX); print(flush=True)"
    before = (desk.folder / BEST).read_bytes()
    command = [sys.executable, "-c", f"{lock}; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()  # it holds the lock
        error = desk.here("calibrate", "--ckpt_path", BEST, status=2).stderr
        other.stdin.close()
    assert "is being trained in by another process" in error
    assert (desk.folder / BEST).read_bytes() == before


@pytest.mark.parametrize("value", [3, {"temperature": float("nan")}], ids=str)
def test_a_damaged_calibration_is_one_line_that_names_the_file(desk, tmp_path, value):
    path = tmp_path / "odd.ckpt"
    torch.save(content(desk.folder / BEST) | {"calibration": value}, path)
    error = desk.here("predict", "--ckpt_path", str(path), status=2).stderr
    assert error.startswith(f"holdout: error: {path}")
    assert "calibration" in error
    assert error.count("\n") == 1


def test_a_checkpoint_on_a_full_disk_stays_whole(desk, copied, monkeypatch):
    path = desk.folder / copied() / "checkpoints" / "best.ckpt"
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("callbacks.checkpoint_io.torch.save", fail)
    error = desk.here("calibrate", "--ckpt_path", str(path), status=2).stderr
    assert "cannot be written (No space left on device)" in error
    assert path.read_bytes() == before
