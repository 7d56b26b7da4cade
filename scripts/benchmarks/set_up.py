"""Seconds to set data up: read, hash, look for duplicates and split; CIFAR-10 from its cache of decoded files.

MNIST is measured against an epoch of the 784-256-128-10 perceptron, which it comes before.
"""

import time
from collections.abc import Callable, Sequence

import lightning as L

from datamodules import CIFAR10, MNIST
from scripts.benchmarks.contest import Contest, Target
from scripts.benchmarks.mlp_epoch import our_epochs
from scripts.benchmarks.setup import Setup

SET_UP, EPOCH = "set-up", "epoch of the MLP"


def contests(setup: Setup) -> Sequence[Contest]:
    """Return a contest for each dataset."""
    CIFAR10(setup.data_dir).prepare_data()
    mnist = {SET_UP: _seconds(lambda: MNIST(setup.data_dir)), EPOCH: lambda _: our_epochs(setup, 2).epochs[-1]}
    cifar = {SET_UP: _seconds(lambda: CIFAR10(setup.data_dir))}
    return [
        Contest("set-up of MNIST", "s", mnist, [Target(SET_UP, EPOCH, 0.2)]),
        Contest("set-up of CIFAR-10", "s", cifar, [Target(SET_UP, None, 1)]),
    ]


def _seconds(make: Callable[[], L.LightningDataModule]) -> Callable[[int], float]:
    def measure(_: int) -> float:
        begin = time.perf_counter()
        data = make()
        data.prepare_data()
        data.setup("fit")
        return time.perf_counter() - begin

    return measure
