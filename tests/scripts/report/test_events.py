from pathlib import Path

import pytest
import torch
from torch.utils.tensorboard import SummaryWriter

from scripts.report.folder import RunFolder
from scripts.report.scalars import read_scalars, thinned


def write(folder: Path, *points: tuple[str, int, float]) -> Path:
    with SummaryWriter(str(folder)) as writer:
        for tag, step, value in points:
            writer.add_scalar(tag, value, step)
    return folder


def moments(folder: Path, tag: str) -> list[float]:
    return [moment for moment, _ in read_scalars(RunFolder(folder)).curves[tag]]


def test_steps_become_epochs_by_the_ends_of_epochs(tmp_path: Path) -> None:
    ends = [("epoch", 9, 0.0), ("train/loss", 9, 0.5), ("epoch", 19, 1.0), ("train/loss", 19, 0.4)]
    write(tmp_path, *ends, ("val/loss", 4, 0.7), ("val/loss", 14, 0.6), ("epoch", 4, 0.0))
    assert moments(tmp_path, "train/loss") == [1, 2]
    assert moments(tmp_path, "val/loss") == [0.5, 1.5]


def test_an_epoch_that_has_not_ended_is_as_long_as_the_one_before(tmp_path: Path) -> None:
    write(tmp_path, ("epoch", 9, 0.0), ("train/loss", 9, 0.5), ("epoch", 14, 1.0), ("val/loss", 14, 0.6))
    assert moments(tmp_path, "val/loss") == [1.5]


def test_without_epochs_the_axis_is_steps(tmp_path: Path) -> None:
    write(tmp_path, ("loss", 5, 0.5), ("loss", 10, 0.4))
    assert read_scalars(RunFolder(tmp_path)).unit == "step"
    assert moments(tmp_path, "loss") == [5, 10]


@pytest.mark.parametrize("name", ["epoch", "train/epoch"])
def test_the_number_of_the_epoch_is_no_curve(tmp_path: Path, name: str) -> None:
    write(tmp_path, (name, 9, 0.0), ("train/loss", 9, 0.5))
    assert read_scalars(RunFolder(tmp_path)).curves == {"train/loss": [(1, 0.5)]}


def test_a_run_without_tensorboard_is_read_from_its_table(tmp_path: Path) -> None:
    table = tmp_path / "metrics.csv"
    table.write_text("epoch,step,train/loss,val/loss\n0,9,,0.8\n0,9,0.9,\n1,19,,nan\n1,19,0.5,\n")
    curves = read_scalars(RunFolder(tmp_path)).curves
    assert curves["train/loss"] == [(1, 0.9), (2, 0.5)]
    assert str(curves["val/loss"]) == "[(1.0, 0.8), (2.0, nan)]"
    for damaged in ("train/loss\n0.5\n", "step,a\nx,1\n", "step,a\n1\n\n2," + "9" * 200_000, "\0"):
        table.write_text(damaged)
        read_scalars(RunFolder(tmp_path))


def test_a_resumed_run_is_one_curve(tmp_path: Path) -> None:
    for number in range(2):
        step = 10 * number + 9
        write(tmp_path, ("epoch", step, float(number)), ("train/loss", step, 0.5 / (number + 1)))
    assert read_scalars(RunFolder(tmp_path)).curves["train/loss"] == [(1, 0.5), (2, 0.25)]


def test_pictures_are_stepped_over(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", 0.5, 1)
        writer.add_image("noise", torch.rand(3, 200, 200), 1)
        writer.add_scalar("loss", 0.4, 2)
    assert moments(tmp_path, "loss") == [1, 2]


@pytest.mark.parametrize("cut", [1, 5, 20, 60])
def test_a_file_cut_anywhere_shows_what_stands_before(tmp_path: Path, cut: int) -> None:
    write(tmp_path, *(("loss", step, 0.5) for step in range(20)))
    path = next(tmp_path.glob("events*"))
    path.write_bytes(path.read_bytes()[:-cut])
    folder = RunFolder(tmp_path)
    assert 18 <= len(read_scalars(folder).curves["loss"]) <= 19
    assert folder.problems == [f"{path.name} is damaged or half-written: what stands before that is shown"]


def test_thinned_curves_keep_their_ends() -> None:
    points = [(float(number), 0.0) for number in range(10_000)]
    found = thinned(points)
    assert (len(found), found[0], found[-1]) == (600, points[0], points[-1])
    assert thinned(points[:9]) == points[:9]
