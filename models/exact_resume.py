"""A module whose resumed run ends bit for bit where an uninterrupted one does."""

from abc import ABC, abstractmethod
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torchmetrics import MetricCollection

from models.metrics.classification import metric_states, restore_metric_states
from models.networks.weight_files import skip_initial_weights
from models.optimization.schedules import check_length
from models.random_state import capture_random_state, restore_random_state, seed_random_state

SPLIT_KEY = "split"


class ExactResume(L.LightningModule, ABC):
    """Keeps in the checkpoint what Lightning leaves out of it: random states, figures of an epoch begun, the split.

    A subclass sets `train_metrics`, and `_schedule_length` where its schedule has one.
    """

    train_metrics: MetricCollection

    def __init__(self) -> None:
        super().__init__()
        self._resumed: list[dict[str, Any]] = []
        self._resumed_length: int | None = None
        self._validated: dict[str, float] = {}  # in this epoch, so far
        self._schedule_length: int | None = None

    @classmethod
    def load_from_checkpoint(cls, *args: Any, **kwargs: Any) -> Any:
        """Rebuild the module out of a checkpoint, without the weights that its network began with."""
        with skip_initial_weights():
            return super().load_from_checkpoint(*args, **kwargs)

    @abstractmethod
    def flush(self) -> None:
        """Bring `train_metrics` up to date."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the split of the data, and what each device needs to go on exactly: random states, figures so far."""
        self.flush()
        manifest = getattr(self._datamodule(), "manifest", None)
        if manifest is not None:
            checkpoint[SPLIT_KEY] = manifest
        metrics = metric_states(self.train_metrics)
        figures = {"epoch": self.current_epoch, "metrics": metrics, "validated": self._validated}
        state = {"random": capture_random_state(self.device), "figures": figures}
        states: list[Any] = [state]
        if self.trainer.world_size > 1:
            states = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(states, state)
        checkpoint["device_states"] = states
        checkpoint["schedule_length"] = self._schedule_length

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse other data than the checkpoint's; keep its states until training starts: draws would change them."""
        datamodule = self._datamodule()
        if SPLIT_KEY in checkpoint and hasattr(datamodule, "check_same_split"):
            datamodule.check_same_split(checkpoint[SPLIT_KEY])
        self._resumed = checkpoint.get("device_states", [])
        self._resumed_length = checkpoint.get("schedule_length")

    def _datamodule(self) -> Any:
        return getattr(self._trainer, "datamodule", None)

    def on_train_start(self) -> None:
        """Go on from the checkpoint's states on resume; set several devices' generators apart otherwise.

        Raises:
            TrainingError: The run is longer than a schedule that came with the checkpoint.
        """
        states, devices, rank = self._resumed, self.trainer.world_size, self.trainer.global_rank
        self._resumed, self._validated = [], {}
        self.train_metrics.reset()
        for config in self.trainer.lr_scheduler_configs:
            check_length(config.scheduler, self._schedule_length, self.current_epoch)
        if states:
            self._warn_of_a_change()
        if len(states) == devices:
            figures = states[rank]["figures"]
            if figures["epoch"] == self.current_epoch:  # cut within this epoch, not at the end of the one before
                restore_metric_states(self.train_metrics, figures["metrics"])
                self._validated = figures.get("validated", {})
            restore_random_state(states[rank]["random"], self.device)
        elif states:
            changed = f"the number of devices changed from {len(states)} to {devices}"
            rank_zero_warn(f"{changed}: the resumed run is not bit for bit what it would have been")
            seed_random_state(torch.initial_seed(), self.global_step, rank)
        elif rank:
            torch.manual_seed(torch.initial_seed() + rank)

    def _warn_of_a_change(self) -> None:
        done = self.trainer.fit_loop.epoch_loop.batch_progress.current.completed
        if done % self.trainer.accumulate_grad_batches and done < self.trainer.num_training_batches:
            rank_zero_warn(
                "the checkpoint was written between two optimizer steps, whose gradients so far are lost: the resumed "
                "run is not bit for bit what it would have been"
            )
        then, now = self._resumed_length, self._schedule_length
        if then is not None and now is not None and then != now:
            rank_zero_warn(f"the learning-rate schedule was that of a run of {then}, now it is that of one of {now}")
