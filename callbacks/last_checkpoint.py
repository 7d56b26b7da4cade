"""The checkpoint of the latest moment: at the end of each epoch, and within long ones."""

import time
from typing import Any, ClassVar

import lightning as L
from lightning.pytorch import callbacks
from typing_extensions import override

from callbacks.agreement import holds_anywhere, shared_validation_batches
from callbacks.loggers.kept_logs import LOG_KEYS, cut_back_logs, describe_logs, log_ended_epoch
from callbacks.lookup import move_last, validates_in_fit
from datamodules.checks import check_at_least, check_positive


class LastCheckpoint(callbacks.ModelCheckpoint):
    """Keeps the checkpoint of the latest epoch, or of a moment within one, as `last.ckpt`.

    Lightning's `save_last` writes only in epochs that improve on the best.

    Args:
        every_n_train_steps: Save after this many optimizer steps too.
        every_minutes: Save when this many minutes have passed since the last time; None waits for the epoch's end.

    Raises:
        ValueError: An argument is out of range.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self, every_n_train_steps: int | None = None, every_minutes: float | None = 10.0) -> None:
        check_intervals(every_n_train_steps, every_minutes)
        super().__init__(
            filename="last",
            save_top_k=1,
            every_n_epochs=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        self.steps_between = every_n_train_steps
        self.minutes_between = every_minutes
        self._saved_step = 0
        self._saved_at = time.monotonic()
        self._within_epoch = self._validated = False
        self._logged: dict[str, Any] = {}
        self._shared_batches = 0

    @property
    @override
    def state_key(self) -> str:
        return "holdout.LastCheckpoint"

    @override
    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        # Last of all callbacks, so that the file holds what the others keep of this moment, and `ckpt_path="best"`,
        # for which Lightning asks the first checkpoint callback, is the monitored one.
        move_last(trainer, self)
        self._logged = {}
        super().setup(trainer, pl_module, stage)

    @override
    def state_dict(self) -> dict[str, Any]:
        return {}  # there is one file, and its name is known

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        pass

    @override
    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        self._logged = {key: checkpoint[key] for key in LOG_KEYS if checkpoint.get(key)}

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._saved_step, self._saved_at = trainer.global_step, time.monotonic()
        begins = trainer.global_step == 0  # if its folder holds logs, they are of a start that was killed
        if trainer.is_global_zero and (self._logged or begins):
            cut_back_logs(trainer, self._logged)

    @override
    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        log_ended_epoch(trainer)
        if trainer.is_global_zero:
            checkpoint |= describe_logs(trainer)
        loops = checkpoint["loops"]["fit_loop"]
        if _validates_next(trainer) or (self._within_epoch and trainer.validating and not self._validated):
            _repeat_validation(loops)
            return
        _forget_validation(loops)
        if self._within_epoch:
            _go_on_after_batch(loops)

    @override
    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if goes_on_in_epoch(trainer) and (_stops_within_epoch(trainer) or self._is_due(trainer)):
            self.save_within_epoch(trainer)

    @override
    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if validates_in_fit(trainer):
            _count_repeated_validation_once(trainer)
            self._shared_batches = shared_validation_batches(trainer)
            self._save_before_validation(trainer)

    @override
    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if validates_in_fit(trainer) and batch_idx < self._shared_batches:
            self._save_before_validation(trainer)

    def _save_before_validation(self, trainer: L.Trainer) -> None:
        if is_between_steps(trainer) and self._is_due(trainer):
            self.save_within_epoch(trainer)

    @override
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if validates_in_fit(trainer) and is_between_steps(trainer) and _stops_within_epoch(trainer):
            self._validated = True
            self.save_within_epoch(trainer)
            self._validated = False

    @override
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # The rest of an epoch that a run stops in is still to be trained on: `last.ckpt` is of the moment it stopped.
        if trainer.fit_loop.epoch_loop._num_ready_batches_reached():
            super().on_train_epoch_end(trainer, pl_module)

    def save_within_epoch(self, trainer: L.Trainer) -> None:
        """Write `last.ckpt`, from which a run goes on after the batch, or before the validation, that is under way.

        Call it between two optimizer steps: accumulated gradients are not kept.
        """
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        self._within_epoch = True
        try:
            self._save_checkpoint(trainer, self.format_checkpoint_name({}))
        finally:
            self._within_epoch = False
        self._last_global_step_saved = 0  # the epoch's end is yet to be saved, even if no step comes before it

    @override
    def _save_checkpoint(self, trainer: L.Trainer, filepath: str) -> None:
        super()._save_checkpoint(trainer, filepath)
        self._saved_step, self._saved_at = trainer.global_step, time.monotonic()

    def _is_due(self, trainer: L.Trainer) -> bool:
        step = trainer.global_step
        if self.steps_between and step % self.steps_between == 0 and step != self._saved_step:
            return True
        if self.minutes_between is None:
            return False
        late = time.monotonic() - self._saved_at >= 60 * self.minutes_between
        return holds_anywhere(trainer, late)


def check_intervals(every_n_train_steps: int | None, every_minutes: float | None) -> None:
    """Check how often a run is to be saved within an epoch.

    Raises:
        ValueError: A value is out of range.
    """
    if every_n_train_steps is not None:
        check_at_least("Checkpoint", 1, every_n_train_steps=every_n_train_steps)
    if every_minutes is not None:
        check_positive("Checkpoint", every_minutes=every_minutes)


def is_between_steps(trainer: L.Trainer) -> bool:
    """Return whether no gradients are accumulated for the next optimizer step."""
    return not trainer.fit_loop.epoch_loop._should_accumulate()


def goes_on_in_epoch(trainer: L.Trainer) -> bool:
    """Return whether another batch follows the one that ends, not a validation, and no gradients are kept for it."""
    fit_loop, fetcher = trainer.fit_loop, trainer.fit_loop._data_fetcher
    if fetcher is None or fit_loop.epoch_loop._num_ready_batches_reached() or not is_between_steps(trainer):
        return False
    return not fit_loop.epoch_loop._should_check_val_fx(fetcher)


def _stops_within_epoch(trainer: L.Trainer) -> bool:
    fit_loop = trainer.fit_loop
    done = 0 <= trainer.max_steps <= trainer.global_step or (trainer.should_stop and fit_loop._can_stop_early)
    return done and not fit_loop.epoch_loop._num_ready_batches_reached()


def _validates_next(trainer: L.Trainer) -> bool:
    """Return whether a batch ends that a validation follows; Lightning would resume after that validation."""
    fit_loop, in_batch = trainer.fit_loop, trainer._logger_connector._first_loop_iter is not None
    fetcher = fit_loop._data_fetcher
    return trainer.training and in_batch and fetcher is not None and fit_loop.epoch_loop._should_check_val_fx(fetcher)


def _go_on_after_batch(loops: dict[str, Any]) -> None:
    """Let a resumed run begin with the batch that follows, as after Lightning's checkpoints at a batch's end."""
    progress = loops["epoch_loop.batch_progress"]
    for part in ("total", "current"):
        progress[part]["completed"] = progress[part]["processed"] - 1


def _forget_validation(loops: dict[str, Any]) -> None:
    """Leave out the count of the validation before, which a run that was resumed since does not know."""
    progress = loops["epoch_loop.val_loop.batch_progress"]
    progress["current"] = dict.fromkeys(progress["current"], 0)
    progress["is_last_batch"] = False


def _repeat_validation(loops: dict[str, Any]) -> None:
    """Let a resumed run begin with the validation that is under way, or next, as after a kill in its first batch."""
    batches = loops["epoch_loop.batch_progress"]
    for part in ("total", "current"):
        batches[part]["completed"] = batches[part]["processed"]
    progress = loops["epoch_loop.val_loop.batch_progress"]
    before = progress["total"]["completed"] - progress["current"]["completed"]
    for part, done in (("total", before), ("current", 0)):
        progress[part] |= {"ready": done + 1, "started": done + 1, "processed": done, "completed": done}
    progress["is_last_batch"] = False


def _count_repeated_validation_once(trainer: L.Trainer) -> None:
    loop = trainer.fit_loop.epoch_loop.val_loop
    if loop.restarted_mid_evaluation:
        total = loop.batch_progress.total
        total.ready = total.started = total.processed  # type: ignore[attr-defined]
