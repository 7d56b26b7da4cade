"""How the time of an epoch grows with samples, epochs and classes: what grows faster is work that nobody asked for."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from typing_extensions import override

from callbacks.lookup import find_callback
from datamodules import DataModule, Samples
from scripts.benchmarks.contest import Contest, Target
from scripts.benchmarks.mlp_epoch import EpochTimer
from scripts.benchmarks.setup import Setup, fit

FEATURES, SAMPLES, CLASSES, EPOCHS = 64, 8_000, 10, 3
WITHIN = 1.1
UNIT = "µs a sample"


class Noise(DataModule):
    """Random numbers with random labels.

    Args:
        count: Number of samples.
        classes: Number of classes.
        kwargs: Arguments of `DataModule`.
    """

    maximum = 1.0
    input_shape = (FEATURES,)

    def __init__(self, count: int = SAMPLES, classes: int = CLASSES, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count = count
        self.class_names = tuple(map(str, range(classes)))

    @override
    def load(self) -> Samples:
        generator = torch.Generator().manual_seed(0)
        targets = torch.arange(self.count) % len(self.class_names)
        return Samples(torch.randn(self.count, FEATURES, generator=generator), targets)


def contests(setup: Setup) -> Sequence[Contest]:
    """Return a contest for each thing that grows."""
    few = SAMPLES // 4 if setup.quick else SAMPLES

    def epoch(count: int, classes: int, epochs: int) -> float:
        """Return microseconds for each sample of an epoch, the first left out."""
        settings = {
            "model": "models.Classifier",
            "model.network": "models.networks.MLP",
            "model.optimizer": "torch.optim.SGD",
            "model.optimizer.lr": "0.01",
            "data": f"{Noise.__module__}.Noise",
            "data.count": str(count),
            "data.classes": str(classes),
            "data.batch_size": "100",
            "early_stopping": "null",
            "trainer.max_epochs": str(epochs),
            "trainer.accelerator": "cpu",
            "trainer.callbacks": f"{EpochTimer.__module__}.EpochTimer",
        }
        timer = find_callback(fit(settings, setup.folder), EpochTimer)
        assert timer is not None
        return 1e6 * sum(timer.epochs[1:]) / (epochs - 1) / count

    def measured(count: int = few, classes: int = CLASSES, epochs: int = EPOCHS) -> Callable[[int], float]:
        return lambda _: epoch(count, classes, epochs)

    sizes = {f"{few * factor:,} samples": measured(few * factor) for factor in (1, 4, 16)}
    lengths = {f"{EPOCHS * factor} epochs": measured(epochs=EPOCHS * factor) for factor in (1, 4)}
    classes = {f"{count:,} classes": measured(4 * few, count) for count in (10, 100, 1000)}
    (fewest, *more), (short, long) = sizes, lengths
    return [
        Contest("more samples", UNIT, sizes, [Target(name, fewest, WITHIN) for name in more]),
        Contest("more epochs", UNIT, lengths, [Target(long, short, WITHIN)]),
        Contest(
            "more classes", UNIT, classes,
            [Target("100 classes", "10 classes", 10 * WITHIN), Target("1,000 classes", "100 classes", 10 * WITHIN)],
        ),
    ]  # fmt: skip
