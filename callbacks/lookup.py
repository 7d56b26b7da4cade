"""Questions to a trainer, and to a callback's class."""

from pathlib import Path
from typing import TypeVar

import lightning as L
from lightning.pytorch import callbacks
from lightning.pytorch.trainer.states import TrainerFn

AnyCallback = TypeVar("AnyCallback", bound=L.Callback)

LIGHTNING_CHANGES_TRAINING = (
    callbacks.BaseFinetuning,
    callbacks.BatchSizeFinder,
    callbacks.GradientAccumulationScheduler,
    callbacks.LambdaCallback,
    callbacks.LearningRateFinder,
    callbacks.ModelPruning,
    callbacks.StochasticWeightAveraging,
    callbacks.WeightAveraging,
)


def callbacks_of(trainer: L.Trainer) -> list[L.Callback]:
    """Return a trainer's callbacks; the attribute is missing from its type."""
    found: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return found


def move_last(trainer: L.Trainer, callback: L.Callback) -> None:
    """Place a callback behind all others, so that its hooks see what they have done."""
    others = [other for other in callbacks_of(trainer) if other is not callback]
    trainer.callbacks = [*others, callback]  # type: ignore[attr-defined]


def validates_in_fit(trainer: L.Trainer) -> bool:
    """Return whether a validation that is under way belongs to a training, and is not the check before it."""
    return trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking


def find_callback(trainer: L.Trainer, kind: type[AnyCallback]) -> AnyCallback | None:
    """Return the trainer's first callback of a class, None if it has none."""
    return next((callback for callback in callbacks_of(trainer) if isinstance(callback, kind)), None)


def time_is_up(trainer: L.Trainer) -> bool:
    """Return whether a trainer has trained for as long as `max_time` allows."""
    timer = find_callback(trainer, callbacks.Timer)
    remaining = None if timer is None else timer.time_remaining()
    return remaining is not None and remaining <= 0


def changes_training(callback_class: type[L.Callback]) -> bool:
    """Return whether a callback changes the weights that training arrives at; watching and drawing do not.

    A class says so itself, in `changes_training`. Lightning's are known here. Any other class is taken to change it.
    """
    stated = getattr(callback_class, "changes_training", None)
    if stated is not None:
        return bool(stated)
    if callback_class.__module__.startswith("lightning."):
        return issubclass(callback_class, LIGHTNING_CHANGES_TRAINING)
    return True


def run_folder(trainer: L.Trainer) -> Path | None:
    """Return the folder for a run's files; None if the run leaves none (`fast_dev_run`).

    `trainer.log_dir` is the same after a broadcast, which hangs unless every process asks.
    """
    if trainer.fast_dev_run:  # type: ignore[attr-defined]
        return None
    logger = trainer.loggers[0] if trainer.loggers else None
    return Path(getattr(logger, "log_dir", None) or trainer.default_root_dir)


def run_title(folder: Path) -> str:
    """Return the title of a run's figures: recipe and version."""
    return "/".join(folder.parts[-2:])
