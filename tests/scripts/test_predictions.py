import csv
from pathlib import Path

import pytest
import torch

from datamodules.loader import InMemoryLoader
from scripts.predictions import in_dataset_order, write_predictions

PROBABILITIES = torch.tensor([[0.25, 0.75], [0.875, 0.125]])
NAMES = ("cat", "dog, small")


def written(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_one_row_a_sample_under_a_header(tmp_path: Path) -> None:
    path = tmp_path / "new" / "predictions.csv"
    write_predictions(path, [7, 3], PROBABILITIES, torch.tensor([0, 0]), NAMES)
    assert written(path) == [
        ["index", "target", "prediction", "probability_cat", "probability_dog, small"],
        ["7", "cat", "dog, small", "0.25", "0.75"],
        ["3", "cat", "cat", "0.875", "0.125"],
    ]


def test_without_targets_there_is_no_such_column(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.csv", [7, 3], PROBABILITIES, None, NAMES)
    assert written(tmp_path / "p.csv")[:2] == [
        ["index", "prediction", "probability_cat", "probability_dog, small"],
        ["7", "dog, small", "0.25", "0.75"],
    ]


def test_a_count_that_does_not_fit_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        write_predictions(tmp_path / "p.csv", [7], PROBABILITIES, None, NAMES)
    assert not (tmp_path / "p.csv").exists()


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("samples", [3, 10, 12, 13])
@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_several_devices_predict_in_the_datasets_order(monkeypatch, samples, batch_size, world_size) -> None:
    data = torch.arange(samples) + 100
    loaders = [
        InMemoryLoader((data,), torch.arange(samples), batch_size, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    outputs = [[batch for (batch,) in loader] for loader in loaders]

    def all_gather_object(gathered: list, mine: object) -> None:
        gathered[:] = [[batch.numpy() for batch in batches] for batches in outputs]

    monkeypatch.setattr(torch.distributed, "all_gather_object", all_gather_object)
    for rank in range(world_size):
        assert torch.equal(in_dataset_order(outputs[rank], rank, world_size), data)
