"""The learning rate: one curve, or as many as there are different rates."""

import torch
from lightning.pytorch.loggers import CSVLogger
from torch.optim import SGD

from callbacks import LearningRate
from callbacks.learning_rate import learning_rates


def parameter() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.zeros(1))


def test_groups_of_equal_rates_are_one_curve() -> None:
    groups = [{"params": [parameter()], "weight_decay": decay} for decay in (0.0, 0.1)]
    assert learning_rates([SGD(groups, lr=0.5)]) == {"lr": 0.5}


def test_a_group_with_another_rate_is_told_apart_by_name_or_number() -> None:
    rates = [(0.5, {}), (0.25, {"name": "body"}), (0.25, {"name": "norms"}), (0.125, {"name": "stem"})]
    groups = [{"params": [parameter()], "lr": rate, **name} for rate, name in rates]
    assert learning_rates([SGD(groups, lr=1.0)]) == {"lr": 0.5, "lr/body": 0.25, "lr/stem": 0.125}
    unnamed = [{"params": [parameter()], "lr": rate} for rate in (0.5, 0.5, 0.25)]
    assert learning_rates([SGD(unnamed, lr=1.0)]) == {"lr": 0.5, "lr/group_3": 0.25}


def test_it_is_logged_at_the_start_of_each_epoch(fit, tmp_path) -> None:
    logger = CSVLogger(tmp_path, name="", version="")
    fit(LearningRate(), epochs=2, lr=0.5, logger=logger)
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    column = rows[0].split(",").index("lr")
    assert [row.split(",")[column] for row in rows[1:] if row.split(",")[column]] == ["0.5", "0.5"]
