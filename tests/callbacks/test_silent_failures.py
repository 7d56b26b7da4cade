"""Warnings of trainings that learn nothing; none for one that learns."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from callbacks import SilentFailures
from datamodules import Digits
from models import Classifier
from models.networks import MLP


class Same(nn.Module):
    """Gives every sample the same logits."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)

    def forward(self, inputs):
        return self.head(torch.zeros_like(inputs.flatten(1)))


class OneClass(Digits):
    def setup(self, stage=None):
        super().setup(stage)
        zeros = np.flatnonzero(self.targets.numpy() == 0)
        self.split = replace(self.split, val=np.intersect1d(self.split.val, zeros))


def warned(quiet_trainer, network=None, data=None, lr=1e-3, **options) -> str:
    def optimizer(parameters):
        return torch.optim.SGD(parameters, lr=lr)

    torch.manual_seed(0)
    task = Classifier(network or MLP((1, 8, 8), 10, [16]), 10, optimizer=optimizer)
    trainer = quiet_trainer(callbacks=[SilentFailures()], num_sanity_val_steps=0, **({"max_epochs": 1} | options))
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        trainer.fit(task, datamodule=data or Digits(batch_size=256))
    names = ("learning rate", "one class alone", "not normalised", "min_epochs", "float16")
    return "\n".join(str(one.message) for one in found if any(name in str(one.message) for name in names))


def test_a_training_that_learns_is_not_warned_of(quiet_trainer) -> None:
    assert warned(quiet_trainer, lr=0.1, max_epochs=6) == ""


@pytest.mark.parametrize(
    ("said", "options"),
    [
        ("val/loss has not moved in 3 epochs", {"lr": 0.0, "max_epochs": 3}),
        ("all validation samples are given the same class, 3 times in a row", {"network": Same(), "max_epochs": 3}),
        ("after 5 epochs accuracy is that of naming the most frequent class", {"network": Same(), "max_epochs": 5}),
        ("trainer.min_epochs 2 is above trainer.max_epochs 1", {"min_epochs": 2}),
        ("the network's inputs are of the size", {"data": Digits(256, mean=[0.5], std=[1e-4])}),
        ("the validation part holds one class alone, 0", {"data": OneClass(256)}),
        ("16-true on a CPU", {"precision": "16-true"}),
    ],
    ids=["loss", "equal", "chance", "epochs", "scale", "validation", "precision"],
)
def test_a_training_that_learns_nothing_is_warned_of_once(quiet_trainer, said, options) -> None:
    assert warned(quiet_trainer, **options).count(said) == 1


def test_a_network_without_hidden_layers_is_said_to_be_linear() -> None:
    with pytest.warns(UserWarning, match=r"MLP: widths \[\] has no hidden layer, so that the network is linear"):
        MLP((4,), 3, widths=[])
