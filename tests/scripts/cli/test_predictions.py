import csv
import json
from pathlib import Path

import pytest
import torch

from datamodules.loader import InMemoryLoader, Order
from scripts.cli.evaluation import write_metrics
from scripts.cli.predictions import in_dataset_order
from scripts.cli.result_files import write_predictions


def test_one_row_a_sample_under_a_header(tmp_path: Path) -> None:
    path = tmp_path / "new" / "predictions.csv"
    write_predictions(path, {"index": [7, 3], "prediction": ["dog, small", "cat"]})
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [["index", "prediction"], ["7", "dog, small"], ["3", "cat"]]


FORMULAS = ["=1+1", '=HYPERLINK("x")', "+1+1", "-1+1", "-cat", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"]
HARMLESS = ["cat", "-1.5", "+3", "-1e-7", "-inf", "1=1", "", " =1", "'=1"]


def test_no_cell_is_run_by_a_spreadsheet_and_numbers_stay(tmp_path: Path) -> None:
    path, cells = tmp_path / "predictions.csv", FORMULAS + HARMLESS
    write_predictions(path, {name: [name, number] for number, name in enumerate(cells)})
    with path.open(newline="") as file:
        header, row, numbers = csv.reader(file)
    assert header == row == [f"'{cell}" for cell in FORMULAS] + HARMLESS
    assert numbers == [str(number) for number in range(len(cells))]


def test_columns_of_different_lengths_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        write_predictions(tmp_path / "p.csv", {"index": [7], "prediction": ["cat", "dog"]})
    assert not (tmp_path / "p.csv").exists()


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("samples", [3, 10, 12, 13])
@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_several_devices_predict_in_the_datasets_order(monkeypatch, samples, batch_size, world_size) -> None:
    data = torch.arange(samples) + 100
    loaders = [
        InMemoryLoader((data,), torch.arange(samples), batch_size, Order(rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    outputs = [[batch for (batch,) in loader] for loader in loaders]

    def all_gather_object(gathered: list, mine: object) -> None:
        gathered[:] = [[batch.numpy() for batch in batches] for batches in outputs]

    monkeypatch.setattr(torch.distributed, "all_gather_object", all_gather_object)
    for rank in range(world_size):
        assert torch.equal(in_dataset_order(outputs[rank], rank, world_size), data)


@pytest.mark.parametrize(
    ("before", "counted"),
    [
        (None, 1),
        ('{"metrics": {}}', 2),
        ('{"evaluations": 4}', 5),
        ('{"evaluations": "9"}', 2),
        ('{"evaluations": -3}', 2),
        ("[", 2),
        ("[" * 100_000, 2),
        ("7", 2),
    ],
)
def test_each_evaluation_is_counted_whatever_the_file_held(tmp_path: Path, before: str | None, counted: int) -> None:
    path = tmp_path / "test.json"
    if before is not None:
        path.write_text(before)
    write_metrics(path, Path("best.ckpt"), {}, {"test/loss": 0.5})
    assert json.loads(path.read_text()) == {
        "checkpoint": "best.ckpt",
        "evaluations": counted,
        "metrics": {"test/loss": 0.5},
    }
