"""The figures of every epoch, kept across resumes: what the summary, the curves and the epoch lines are made of."""

import math
import time
from collections.abc import Iterable
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn

from callbacks.lookup import callbacks_of

Row = dict[str, float]


def epochs_done(row: Row) -> float:
    """Return how many epochs were trained when a row's validation figures were measured."""
    return row.get("epochs_done", row["epoch"] + 1)


def shared_metrics(rows: Iterable[Row]) -> list[str]:
    """Return the names, without their stage, of what training is measured by too; the loss comes first."""
    names = {name.removeprefix("train/") for row in rows for name in row if name.startswith("train/")}
    return sorted(names, key=lambda name: (name != "loss", name))


class History(Checkpoint):
    """Records the figures of each epoch, the time spent and the samples seen.

    It is a `Checkpoint` to Lightning because those alone are called after the epoch's training figures are logged; it
    goes before those that write checkpoints, so that these hold the latest epoch.

    Attributes:
        rows: One dictionary an epoch: "epoch" (from 0) and every figure logged in it, of its last validation if it had
            several.
        validations: One dictionary for each validation within an epoch but its last: "epoch", "epochs_done" (1.5 is
            halfway through the second) and the validation figures.
        train_seconds: Time spent on training batches.
        wall_seconds: Time spent in epochs, validation included.
        samples: Training samples seen, over all devices.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.validations: list[Row] = []
        self.train_seconds = 0.0
        self.wall_seconds = 0.0
        self.samples = 0
        self._epoch_start = 0.0
        self._train_end = 0.0

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Forget what another run recorded in the epochs to come; go before all that write checkpoints."""
        if stage == "fit":
            others = [callback for callback in callbacks_of(trainer) if callback is not self]
            first = next((place for place, other in enumerate(others) if isinstance(other, Checkpoint)), len(others))
            trainer.callbacks = [*others[:first], self, *others[first:]]  # type: ignore[attr-defined]
            self.rows, self.validations = (
                [row for row in rows if row["epoch"] < trainer.current_epoch] for rows in (self.rows, self.validations)
            )

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock: a run resumed inside an epoch does not start that epoch."""
        self._epoch_start = self._train_end = time.perf_counter()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._epoch_start = self._train_end = time.perf_counter()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *batch: Any) -> None:
        """Count the batch's samples."""
        self.samples += len(batch[1][1]) * trainer.world_size
        self._train_end = time.perf_counter()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Record the validation, until the epoch's end as one within it: a checkpoint written now holds it."""
        if trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        done = trainer.fit_loop.epoch_loop.batch_progress.current.ready / trainer.num_training_batches
        figures = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        epoch = trainer.current_epoch
        self.validations.append({"epoch": epoch, "epochs_done": epoch + done, **figures})

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Record the epoch."""
        self.train_seconds += self._train_end - self._epoch_start
        self.wall_seconds += time.perf_counter() - self._epoch_start
        logged = trainer.callback_metrics.items()
        figures = {name: float(value) for name, value in logged if not name.startswith(("lr-", "val/"))}
        if self.validations and self.validations[-1]["epoch"] == trainer.current_epoch:
            figures |= {name: value for name, value in self.validations.pop().items() if name.startswith("val/")}
        self.rows = [row for row in self.rows if row["epoch"] < trainer.current_epoch]
        self.rows.append({"epoch": trainer.current_epoch, **figures})

    def in_order(self) -> list[Row]:
        """Return epochs and validations within them, in the order in which they were measured."""
        return sorted(self.validations + self.rows, key=epochs_done)

    def measured(self, name: str) -> list[Row]:
        """Return the epochs and validations in which a figure was measured, in order."""
        return [row for row in self.in_order() if not math.isnan(row.get(name, math.nan))]

    def best(self, monitor: str, mode: str) -> Row | None:
        """Return the first epoch, or validation within one, in which `monitor` was best; None if none has it."""
        return min(
            self.measured(monitor), key=lambda row: row[monitor] if mode == "min" else -row[monitor], default=None
        )

    def state_dict(self) -> dict[str, Any]:
        """Return everything recorded, as plain values."""
        return {
            "rows": self.rows,
            "validations": self.validations,
            "train_seconds": self.train_seconds,
            "wall_seconds": self.wall_seconds,
            "samples": self.samples,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.rows, self.validations = list(state_dict["rows"]), list(state_dict.get("validations", []))
        self.train_seconds = state_dict["train_seconds"]
        self.wall_seconds = state_dict["wall_seconds"]
        self.samples = state_dict["samples"]
