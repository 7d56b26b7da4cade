"""Metrics in a CSV file that a killed run goes on with."""

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callbacks.loggers import CSVLogger
from callbacks.loggers.csv_logger import MetricsTable
from datamodules.atomic_write import WriteError

ROWS = [{"step": 0, "lr": 0.1}, {"step": 20, "val/loss": 0.5}, {"step": 20, "train/loss": 0.4}, {"step": 41, "lr": 0.2}]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [{name: value for name, value in row.items() if value} for row in csv.DictReader(file)]


def as_texts(rows: list[dict]) -> list[dict[str, str]]:
    return [{name: str(value) for name, value in row.items()} for row in rows]


def test_rows_of_different_metrics_share_one_header(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    table = MetricsTable(path)
    for row in ROWS:
        table.add(row)
        table.save()
    assert path.read_text().splitlines()[0] == "lr,step,train/loss,val/loss"
    assert read(path) == as_texts(ROWS)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.sampled_from(ROWS), max_size=8), data=st.data())
def test_a_file_that_is_cut_back_and_continued_is_that_of_an_uninterrupted_run(
    tmp_path_factory: pytest.TempPathFactory, rows, data
) -> None:
    folder = tmp_path_factory.mktemp("tables")
    kept = data.draw(st.integers(0, len(rows)))
    lost = data.draw(st.lists(st.sampled_from([*ROWS, {"step": 9, "another": 1.0}]), max_size=3))
    whole, killed = MetricsTable(folder / "whole.csv"), MetricsTable(folder / "killed.csv")
    for row in rows:
        whole.add(row)
        whole.save()
    for row in [*rows[:kept], *lost]:
        killed.add(row)
        killed.save()
    if lost:
        with killed.path.open("a") as file:
            file.write("0.1,2")  # killed within a line
    resumed = MetricsTable(killed.path)
    resumed.cut_back(kept)
    assert resumed.count() == kept
    for row in rows[kept:]:
        resumed.add(row)
    resumed.save()
    assert resumed.path.is_file() == whole.path.is_file() == bool(rows)
    if rows:
        assert resumed.path.read_bytes() == whole.path.read_bytes()


def test_a_metric_is_written_once_a_step_and_each_row_has_its_epoch(tmp_path: Path) -> None:
    logger = CSVLogger(str(tmp_path))
    logger.log_metrics({"epoch": 0, "val/loss": 0.5}, step=3)
    logger.log_metrics({"epoch": 0, "val/loss": 0.5}, step=3)
    logger.log_metrics({"epoch": 0, "val/loss": 0.5, "train/loss": 0.25}, step=3)
    logger.log_metrics({"epoch": 1, "val/loss": 0.5}, step=6)
    logger.log_hyperparams({"network": "MLP", "lr": 0.1})
    logger.save()
    common = {"epoch": "0", "step": "3"}
    assert read(tmp_path / "metrics.csv") == [
        common | {"val/loss": "0.5"},
        common | {"train/loss": "0.25"},
        {"epoch": "1", "step": "6", "val/loss": "0.5"},
    ]
    assert (tmp_path / "hparams.yaml").read_text() == "network: MLP\nlr: 0.1\n"


def test_a_folder_of_ones_own_has_one_below_it_for_each_run(tmp_path: Path) -> None:
    logger = CSVLogger(str(tmp_path / "own"))
    logger.place(tmp_path / "runs" / "digits" / "version_3", "")
    logger.open()
    logger.log_metrics({"val/loss": 1.0}, step=0)
    logger.save()
    assert (tmp_path / "own" / "digits" / "version_3" / "metrics.csv").is_file()


def test_what_cannot_be_written_names_the_file(tmp_path: Path) -> None:
    logger = CSVLogger(str(tmp_path / "file"))
    (tmp_path / "file").touch()
    logger.log_metrics({"val/loss": 1.0}, step=0)
    with pytest.raises(WriteError, match=r"metrics\.csv"):
        logger.save()


def test_a_row_that_is_longer_than_the_header_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("a,step\n1,2,3\n4,5\n")
    MetricsTable(path).cut_back(1)
    assert path.read_text() == "a,step\n1,2\n"
