"""Seconds of training to accuracies on CIFAR-10 (JPEG copies where they are all there is): the speed-run recipe.

The rival is the public Muon recipe, ported plainly. What it reaches after 5, 7 and 8 epochs, ours must reach in 0.6 of
the time; both train on the same images, and accuracies are of the test part, whose measurement is not timed.
"""

import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import lightning as L
import torch
from torch import Tensor

from datamodules import CIFAR10, SplitOptions
from models import Task
from scripts.benchmarks.contest import Contest, Target
from scripts.benchmarks.public_muon import CifarNet, Reached, train
from scripts.benchmarks.setup import ROOT, Setup, fit_alone, now, test_accuracy

RECIPE = ROOT / "configs/cifar10_speedrun.yaml"
OURS, PUBLIC = "ours", "public Muon recipe"
SAID = "reached"
EPOCHS = (5, 7, 8)  # of the public recipe, after which ours is compared with it


class Progress(L.Callback):
    """Notes seconds up to each validation, and the accuracy on the test part of the weights then validated."""

    def __init__(self) -> None:
        self.reached: list[Reached] = []
        self._spent, self._begin = 0.0, 0.0

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Start the clock."""
        self._begin = now(pl_module.device)

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock, measure, and go on."""
        if trainer.sanity_checking:
            return
        self._spent += now(pl_module.device) - self._begin
        self.reached.append(Reached(self._spent, test_accuracy(trainer, cast("Task", pl_module))))
        self._begin = now(pl_module.device)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count the last checkpoint, too."""
        last = self.reached[-1]
        self.reached[-1] = Reached(last.seconds + now(pl_module.device) - self._begin, last.accuracy)
        print(SAID, json.dumps([[found.seconds, found.accuracy] for found in self.reached]), flush=True)


class Runs:
    """Both runs, on the same training part.

    Args:
        setup: Where the data are.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.reached: dict[str, list[Reached]] = {}
        self.rival = CifarNet(setup.device)

    def ours(self, _: int) -> float:
        """Train the recipe by `holdout fit`; return its seconds."""
        settings = {
            "data.data_dir": self.setup.data_dir,
            "trainer.accelerator": self.setup.accelerator,
            "trainer.callbacks+": f"{Progress.__module__}.Progress",
            "trainer.val_check_interval": "0.5",  # accuracies are seen twice an epoch
        }
        if self.setup.quick:
            settings["trainer.max_epochs"] = "2"
        said = fit_alone(settings, self.setup, SAID, RECIPE)
        self.reached[OURS] = [Reached(*values) for values in json.loads(said)]
        return self.reached[OURS][-1].seconds

    def public(self, _: int) -> float:
        """Train the public recipe on what ours was trained on; return its seconds."""
        data = CIFAR10(self.setup.data_dir, split=SplitOptions(val_size=1000))  # as the recipe's
        split = data.ensure_setup()
        images, labels = data.samples.inputs, data.samples.targets
        assert isinstance(images, Tensor)
        parts = [torch.from_numpy(part) for part in (split.train, split.test)]
        given = [values[part].to(self.setup.device) for part in parts for values in (images, labels)]
        self.reached[PUBLIC] = list(train(self.rival, 1 if self.setup.quick else max(EPOCHS), *given))
        return self.reached[PUBLIC][-1].seconds

    def accuracy(self, name: str) -> float:
        """Return the test accuracy at a run's end."""
        return self.reached[name][-1].accuracy

    def seconds_to(self, name: str, epoch: int) -> float:
        """Return when a run first reached what the public recipe did after an epoch; infinity if it never did."""
        wanted = self.reached[PUBLIC][epoch - 1].accuracy
        return next((found.seconds for found in self.reached[name] if found.accuracy >= wanted), math.inf)


def contests(setup: Setup) -> Sequence[Contest]:
    """Return the contests of seconds and of accuracies; the first one trains both, on a GPU once more before it."""
    CIFAR10(setup.data_dir).prepare_data()
    runs = Runs(setup)
    if setup.accelerator == "gpu":  # the rival is compiled once, which is not timed
        runs.public(0)
    contests = [
        Contest("the whole run", "s", {OURS: runs.ours, PUBLIC: runs.public}, rounds=1, warm_up=0),
        _once("test accuracy at its end", "", runs.accuracy),
    ]
    for epoch in (1,) if setup.quick else EPOCHS:
        title = f"to what the public recipe reaches after {epoch} epochs"
        contests.append(_once(title, "s", partial(runs.seconds_to, epoch=epoch), Target(OURS, PUBLIC, 0.6)))
    return contests


def _once(title: str, unit: str, figure: Callable[[str], float], *targets: Target) -> Contest:
    contenders = {name: lambda _, name=name: figure(name) for name in (OURS, PUBLIC)}
    return Contest(title, unit, contenders, targets, rounds=1, warm_up=0)  # type: ignore[arg-type]
