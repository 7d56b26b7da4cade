"""The figures of every epoch, kept across resumes: what the summary, the curves and the epoch lines are made of."""

import math
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

Row = dict[str, float]


class History(Checkpoint):
    """Records the figures of each epoch, the time spent and the samples seen.

    It is a `Checkpoint` to Lightning because those alone are called after the epoch's training figures are logged; put
    it before the callbacks that write checkpoints, so that these hold the latest epoch.

    Attributes:
        rows: One dictionary an epoch: "epoch" (from 0) and every figure logged in it.
        train_seconds: Time spent on training batches.
        wall_seconds: Time spent in epochs, validation included.
        samples: Training samples seen, over all devices.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.train_seconds = 0.0
        self.wall_seconds = 0.0
        self.samples = 0
        self._epoch_start = 0.0
        self._train_end = 0.0
        self._validated = False

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._epoch_start = self._train_end = time.perf_counter()
        self._validated = False

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *batch: Any) -> None:
        """Count the batch's samples."""
        self.samples += len(batch[1][1]) * trainer.world_size
        self._train_end = time.perf_counter()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note that this epoch has validation figures of its own."""
        self._validated = True

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Record the epoch."""
        self.train_seconds += self._train_end - self._epoch_start
        self.wall_seconds += time.perf_counter() - self._epoch_start
        left_out = ("lr-",) if self._validated else ("lr-", "val/")
        logged = trainer.callback_metrics.items()
        figures = {name: float(value) for name, value in logged if not name.startswith(left_out)}
        self.rows = [row for row in self.rows if row["epoch"] < trainer.current_epoch]
        self.rows.append({"epoch": trainer.current_epoch, **figures})

    def best(self, monitor: str, mode: str) -> Row | None:
        """Return the first row in which `monitor` was best, None if no row has it."""
        measured = [row for row in self.rows if not math.isnan(row.get(monitor, math.nan))]
        if not measured:
            return None
        return min(measured, key=lambda row: row[monitor] if mode == "min" else -row[monitor])

    def state_dict(self) -> dict[str, Any]:
        """Return everything recorded, as plain values."""
        return {
            "rows": self.rows,
            "train_seconds": self.train_seconds,
            "wall_seconds": self.wall_seconds,
            "samples": self.samples,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.rows = list(state_dict["rows"])
        self.train_seconds = state_dict["train_seconds"]
        self.wall_seconds = state_dict["wall_seconds"]
        self.samples = state_dict["samples"]
