"""What callbacks share that report on the best epoch."""

import lightning as L
from typing_extensions import override

from callbacks.checkpoints import Checkpoint
from callbacks.history import History, Row
from callbacks.lookup import find_callback
from callbacks.monitor import resolve_mode
from models.evaluated import Mode


class BestEpochCallback(L.Callback):
    """Knows which epoch was the best by a metric; base class of the callbacks that report on it.

    Args:
        monitor: Metric that decides which epoch is the best.
        mode: "min" or "max"; by default the direction that the metric has.
    """

    def __init__(self, monitor: str, mode: Mode | None) -> None:
        self.monitor = monitor
        self.stated_mode = mode
        self.mode: Mode = mode or "min"

    @override
    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if stage == "fit":
            History.of(trainer)

    @override
    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.mode = resolve_mode(type(self).__name__.lower(), self.monitor, self.stated_mode, pl_module)

    def best(self, trainer: L.Trainer) -> Row | None:
        """Return the metrics of the best epoch so far, or validation within one; None if `monitor` has none."""
        checkpoint = find_callback(trainer, Checkpoint)
        since = checkpoint.best_since if checkpoint is not None else 0.0
        return History.of(trainer).best(self.monitor, self.mode, since)
