"""How long a run is, in epochs or optimizer steps, as the trainer's settings and callbacks determine it."""

import math
from collections.abc import Callable
from typing import Literal

import lightning as L
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.utilities.seed import isolate_rng

from datamodules.base import DataModule
from models.errors import TrainingError


def run_length(trainer: L.Trainer, interval: Literal["epoch", "step"]) -> float:
    """Return the number of epochs, or optimizer steps, of a run that nothing stops early; infinite if it has no end.

    An epoch that `trainer.max_steps` cuts short counts as one.

    Raises:
        TrainingError: No batch is left to train on, or gradient accumulation is set twice.
    """
    max_epochs = math.inf if trainer.max_epochs in (None, -1) else trainer.max_epochs
    max_steps = trainer.max_steps if trainer.max_steps >= 0 else math.inf
    if math.isinf(max_steps if interval == "epoch" else max_epochs):  # either decides alone
        return max_epochs if interval == "epoch" else max_steps
    batches, factor = batches_per_epoch(trainer), gradient_accumulation(trainer)
    epochs, steps = 0, 0.0
    while epochs < max_epochs and steps < max_steps:
        steps += batches if math.isinf(batches) else math.ceil(batches / factor(epochs))
        epochs += 1
    return epochs if interval == "epoch" else min(steps, max_steps)


def check_batches(trainer: L.Trainer) -> None:
    """Check that there are batches to train on, and that settings which count them fit together.

    Raises:
        TrainingError: It is not so.
    """
    if trainer.limit_train_batches == 0:
        raise TrainingError("trainer.limit_train_batches: 0 leaves no batch to train on")
    gradient_accumulation(trainer)
    steps_to_validation(trainer)


def batches_per_epoch(trainer: L.Trainer) -> float:
    """Return the number of training batches in an epoch on each device; infinite if the loader does not say.

    `trainer.estimated_stepping_batches` sets the training data up to find out, after which Lightning does not restore
    the loader's position: a run resumed mid-epoch would see its first batches again.

    Raises:
        TrainingError: There is none.
    """
    datamodule, limit = trainer.datamodule, trainer.limit_train_batches  # type: ignore[attr-defined]
    if not isinstance(datamodule, DataModule):
        return _batches_of_any_loader(trainer)
    available = len(datamodule.train_dataloader())
    batches = min(available, limit) if isinstance(limit, int) else int(available * limit)
    if not batches:
        raise TrainingError(f"trainer.limit_train_batches: {limit} of {available} batches leaves no batch to train on")
    return batches


def steps_to_validation(trainer: L.Trainer) -> float:
    """Return the number of optimizer steps before the first validation; 0 where that is unknown.

    Raises:
        TrainingError: `trainer.val_check_interval` is longer than an epoch.
    """
    interval, every = trainer.val_check_interval, trainer.check_val_every_n_epoch
    datamodule = trainer.datamodule  # type: ignore[attr-defined]
    if not isinstance(interval, int | float) or not isinstance(datamodule, DataModule) or not trainer.limit_val_batches:
        return 0
    batches, factor = batches_per_epoch(trainer), gradient_accumulation(trainer)
    before = interval if isinstance(interval, int) else int(batches * interval)
    if every is not None and before > batches:
        raise TrainingError(
            f"trainer.val_check_interval: {interval} batches are more than the {batches} of an epoch; lower it, or set "
            f"trainer.check_val_every_n_epoch to null to count batches across epochs"
        )
    epochs, within = divmod(before, batches) if every is None else (every - 1, before)
    whole = sum(math.ceil(batches / factor(epoch)) for epoch in range(int(epochs)))
    return whole + within // factor(int(epochs)) + (within == batches and batches % factor(int(epochs)) > 0)


def _batches_of_any_loader(trainer: L.Trainer) -> float:
    """Let Lightning set the loaders up, which may divide them among devices, and forget that it did."""
    with isolate_rng():
        trainer.fit_loop.setup_data()
        batches = trainer.num_training_batches
        trainer.fit_loop._combined_loader = None
    if not batches:
        raise TrainingError("no batch is left to train on")
    return batches


def accumulation_schedule(trainer: L.Trainer) -> GradientAccumulationScheduler | None:
    """Return the callback that changes gradient accumulation from epoch to epoch, None if there is none."""
    callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return next((callback for callback in callbacks if isinstance(callback, GradientAccumulationScheduler)), None)


def gradient_accumulation(trainer: L.Trainer) -> Callable[[int], int]:
    """Return a function from an epoch, from 0, to the number of batches whose gradients make one step in it.

    Raises:
        TrainingError: Both the trainer and a callback set it.
    """
    schedule = accumulation_schedule(trainer)
    if schedule is None:
        return lambda _: trainer.accumulate_grad_batches
    if trainer.accumulate_grad_batches > 1:
        raise TrainingError(
            f"trainer.accumulate_grad_batches ({trainer.accumulate_grad_batches}) and GradientAccumulationScheduler "
            f"set the same thing; leave one of them out"
        )
    return schedule.get_accumulate_grad_batches


def accumulate_from(trainer: L.Trainer, epoch: int) -> None:
    """Set gradient accumulation for a run that begins, or goes on, in an epoch.

    Lightning's callback sets it when an epoch starts; a run resumed within one does not come there.
    """
    trainer.accumulate_grad_batches = gradient_accumulation(trainer)(epoch)
