"""Early stopping: Lightning's, with this project's defaults and the direction that the metric has."""

from typing import Any, ClassVar, final

import lightning as L
import torch
from lightning.pytorch import callbacks
from typing_extensions import override

from callbacks.monitor import at_epoch_end, check_monitor, metric_mode, resolve_mode
from datamodules.checks import check_at_least
from models.evaluated import Mode


@final
class EarlyStopping(callbacks.EarlyStopping):
    """Stops training once the monitored metric has not improved for `patience` validations (usually: epochs).

    Args:
        monitor: Name of the metric.
        patience: Number of validations without improvement after which training stops, at least 1.
        min_delta: Smallest change that counts as an improvement.
        mode: "min" or "max"; by default the direction that the metric has.

    Raises:
        ValueError: `patience` is less than 1.
    """

    changes_training: ClassVar[bool] = False

    def __init__(
        self, monitor: str = "val/loss", patience: int = 10, min_delta: float = 0.0, mode: Mode | None = None
    ) -> None:
        check_at_least("EarlyStopping", 1, patience=patience)
        self.stated_mode = mode
        super().__init__(
            monitor=monitor,
            patience=patience,
            min_delta=min_delta,
            mode=mode or "min",
            check_on_train_epoch_end=at_epoch_end(monitor),
        )

    @property
    @override
    def state_key(self) -> str:
        # Not Lightning's: the user's callbacks may include one of Lightning's too.
        return f"holdout.EarlyStopping{{'monitor': {self.monitor!r}, 'mode': {self.mode!r}}}"

    @override
    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        mode = self.stated_mode or metric_mode(pl_module, self.monitor)
        if stage == "fit":
            check_monitor("early_stopping", self.monitor, trainer, pl_module)
            mode = resolve_mode("early_stopping", self.monitor, mode, pl_module)
        if mode is not None and mode != self.mode:
            self.mode = mode
            self.min_delta = -self.min_delta
            self.best_score = torch.tensor(torch.inf if mode == "min" else -torch.inf)

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        # The counts come from the checkpoint, `patience` from the arguments.
        super().load_state_dict(state_dict | {"patience": self.patience})

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.wait_count >= self.patience:  # resumed from a run that had stopped
            trainer.should_stop = True

    @override
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # An epoch that a run stops in has no validation: the metric is that of an earlier one.
        if trainer.fit_loop.epoch_loop._num_ready_batches_reached():
            super().on_train_epoch_end(trainer, pl_module)
