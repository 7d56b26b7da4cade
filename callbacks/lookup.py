"""What callbacks ask of a trainer."""

from pathlib import Path
from typing import TypeVar

import lightning as L
from lightning.pytorch.callbacks import (
    BaseFinetuning,
    GradientAccumulationScheduler,
    StochasticWeightAveraging,
    WeightAveraging,
)

AnyCallback = TypeVar("AnyCallback", bound=L.Callback)


def callbacks_of(trainer: L.Trainer) -> list[L.Callback]:
    """Return a trainer's callbacks, which its type does not tell of."""
    callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return callbacks


def find_callback(trainer: L.Trainer, kind: type[AnyCallback]) -> AnyCallback | None:
    """Return the trainer's first callback of a kind, None if it has none."""
    return next((callback for callback in callbacks_of(trainer) if isinstance(callback, kind)), None)


def run_folder(trainer: L.Trainer) -> Path | None:
    """Return the folder of a run's files; None where the run is to leave none (`fast_dev_run`).

    `trainer.log_dir` does the same with a broadcast, which hangs unless every process asks.
    """
    if trainer.fast_dev_run:  # type: ignore[attr-defined]
        return None
    logger = trainer.loggers[0] if trainer.loggers else None
    return Path(getattr(logger, "log_dir", None) or trainer.default_root_dir)


def run_title(folder: Path) -> str:
    """Return what a run is called over its pictures: recipe and version."""
    return "/".join(folder.parts[-2:])


def changes_training(callback_class: type) -> bool:
    """Return whether a callback changes the weights that training arrives at; watching and drawing do not."""
    stated = getattr(callback_class, "changes_training", None)
    if stated is not None:
        return bool(stated)
    if callback_class.__module__.startswith("lightning."):
        return issubclass(
            callback_class, (WeightAveraging, StochasticWeightAveraging, GradientAccumulationScheduler, BaseFinetuning)
        )
    return callback_class.__name__ in ("GradualUnfreezing", "AdaptiveGradientClipping", "EMA", "SWA")
