"""The metrics of every epoch, kept across resumes: the source of the summary, the curves and the epoch lines."""

import math
import time
import warnings
from collections.abc import Iterable
from typing import Any, ClassVar

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.data import extract_batch_size
from torch import Tensor
from typing_extensions import override

from callbacks.lookup import callbacks_of, find_callback, validates_in_fit
from models.evaluated import Mode

Row = dict[str, float]


def epochs_done(row: Row) -> float:
    """Return the moment of a row's metrics: the number of epochs trained before, 1.5 halfway through the second."""
    return row.get("epochs_done", row["epoch"] + 1)


def moment(row: Row) -> str:
    """Return a row's moment as it is printed."""
    return f"{round(epochs_done(row), 2):g}"


def shared_metrics(rows: Iterable[Row]) -> list[str]:
    """Return the names, without "train/", of the metrics measured in training; the loss comes first."""
    names = {name.removeprefix("train/") for row in rows for name in row if name.startswith("train/")}
    return sorted(names, key=lambda name: (name != "loss", name))


class History(L.Callback):
    """Records the metrics of each epoch, the training time and the number of samples.

    Callbacks that need one find or add it with `History.of(trainer)`.

    Lightning calls the end of an epoch here before the module logs its training metrics. They join the epoch's row
    with whatever comes next: a checkpoint being written, the next epoch, the end of training.

    Attributes:
        rows: One dictionary per epoch: "epoch" (from 0), the training metrics, and the metrics of a validation that was
            made at its end; "epochs_done" if the run stopped within it.
        validations: One dictionary for each validation within an epoch: "epoch", "epochs_done" (1.5 is halfway through
            the second) and the metrics measured at that moment.
        train_seconds: Time spent on training batches.
        wall_seconds: Time spent in epochs, validation included.
        samples: Number of training samples seen, over all devices.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.validations: list[Row] = []
        self.train_seconds = 0.0
        self.wall_seconds = 0.0
        self.samples = 0
        self._within_epoch = False
        self._epoch_start = 0.0
        self._train_end = 0.0
        self._trainer: L.Trainer | None = None  # while the last row may lack metrics
        self._earlier: dict[str, Tensor] | None = None

    @classmethod
    def of(cls, trainer: L.Trainer) -> "History":
        """Return the trainer's history, complete so far; add one if there is none, in `setup` at the latest."""
        history = find_callback(trainer, cls)
        if history is None:
            history = cls()
            trainer.callbacks = [history, *callbacks_of(trainer)]  # type: ignore[attr-defined]
        history._complete()
        return history

    @override
    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if stage == "fit":  # forget the epochs that another run recorded beyond this one's start
            self._trainer = None
            self.rows, self.validations = (
                [row for row in rows if row["epoch"] < trainer.current_epoch] for rows in (self.rows, self.validations)
            )

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._begin_epoch()  # a run resumed within an epoch skips on_train_epoch_start

    @override
    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._complete()
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._trainer = self._earlier = None
        self._within_epoch = True
        self._epoch_start = self._train_end = time.perf_counter()

    @override
    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        self._note_earlier_metrics(trainer)

    @override
    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._note_earlier_metrics(trainer)

    def _note_earlier_metrics(self, trainer: L.Trainer) -> None:
        """Keep what was logged before an epoch; not when training starts, for a resumed task restores it then."""
        if self._earlier is None:
            self._earlier = dict(trainer.callback_metrics)

    @override
    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *batch: Any) -> None:
        self.samples += _samples_in(batch[1]) * trainer.world_size
        self._train_end = time.perf_counter()

    @override
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if validates_in_fit(trainer):
            self.validation(trainer)

    def validation(self, trainer: L.Trainer) -> Row:
        """Return the row of the validation that has just ended; what was measured beside it can be added.

        It is kept as a validation within the epoch until that ends, so that a checkpoint written now holds it.
        """
        now = _now(trainer)
        if not self.validations or epochs_done(self.validations[-1]) != now:
            found = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
            self.validations.append({"epoch": trainer.current_epoch, "epochs_done": now, **found})
        return self.validations[-1]

    @override
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._note_earlier_metrics(trainer)
        self.train_seconds, self.wall_seconds = self._seconds()
        self._within_epoch = False
        epoch, now = trainer.current_epoch, _now(trainer)
        row: Row = {"epoch": epoch}
        if self.validations and epochs_done(self.validations[-1]) == now:
            row = self.validations.pop()
        row["epochs_done"] = now
        if now == epoch + 1:
            del row["epochs_done"]
        self.rows = [earlier for earlier in self.rows if earlier["epoch"] < epoch]
        self.rows.append(row)
        self._trainer = trainer

    def _seconds(self) -> tuple[float, float]:
        """Return the training and wall seconds so far, those of an epoch that is under way included."""
        if not self._within_epoch:
            return self.train_seconds, self.wall_seconds
        training, wall = self._train_end - self._epoch_start, time.perf_counter() - self._epoch_start
        return self.train_seconds + training, self.wall_seconds + wall

    @override
    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._complete()
        self._trainer = None

    def _complete(self) -> None:
        """Add the metrics that were logged since the epoch began; one from an earlier epoch is the same tensor."""
        if self._trainer is not None:
            within, earlier = self.last_validation(self.rows[-1]), self._earlier or {}
            for name, value in self._trainer.callback_metrics.items():
                if not name.startswith(("lr-", "val/")) and name not in within and value is not earlier.get(name):
                    self.rows[-1][name] = float(value)

    def last_validation(self, row: Row) -> Row:
        """Return the last validation within a row's epoch, an empty row if there is none."""
        within = [validation for validation in self.validations if validation["epoch"] == row["epoch"]]
        return within[-1] if within else {}

    def in_order(self) -> list[Row]:
        """Return epochs and validations within them, in the order in which they were measured."""
        return sorted(self.validations + self.rows, key=epochs_done)

    def measured(self, name: str) -> list[Row]:
        """Return the epochs and validations in which a metric was measured, in order."""
        return [row for row in self.in_order() if not math.isnan(row.get(name, math.nan))]

    def best(self, monitor: str, mode: Mode, since: float = 0.0) -> Row | None:
        """Return the first epoch, or validation within one, in which `monitor` was best.

        Args:
            monitor: The metric.
            mode: "min" or "max".
            since: Number of epochs before those that are considered.

        Returns:
            Its row; None if none has the metric.
        """
        rows = [row for row in self.measured(monitor) if epochs_done(row) > since]
        return min(rows, key=lambda row: row[monitor] if mode == "min" else -row[monitor], default=None)

    @override
    def state_dict(self) -> dict[str, Any]:
        self._complete()
        train_seconds, wall_seconds = self._seconds()
        return {
            "rows": self.rows,
            "validations": self.validations,
            "train_seconds": train_seconds,
            "wall_seconds": wall_seconds,
            "samples": self.samples,
        }

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self.validations = list(state_dict["rows"]), list(state_dict.get("validations", []))
        self.train_seconds = state_dict["train_seconds"]
        self.wall_seconds = state_dict["wall_seconds"]
        self.samples = state_dict["samples"]


def _now(trainer: L.Trainer) -> float:
    """Return the number of epochs trained so far."""
    progress = trainer.fit_loop.epoch_loop.batch_progress
    done = 1.0 if progress.is_last_batch else progress.current.ready / trainer.num_training_batches
    return trainer.current_epoch + done


def _samples_in(batch: Any) -> int:
    """Return the number of samples in a batch, from its targets or else by Lightning; 0 if neither tells."""
    if isinstance(batch, list | tuple) and len(batch) > 1 and isinstance(batch[1], Tensor):
        return len(batch[1])
    try:
        with warnings.catch_warnings(action="ignore"):  # of sizes that differ
            return extract_batch_size(batch)
    except MisconfigurationException:
        return 0
