"""What callbacks ask of a trainer."""

from pathlib import Path
from typing import Any, TypeVar

import lightning as L

AnyCallback = TypeVar("AnyCallback", bound=L.Callback)


def find_callback(trainer: L.Trainer, kind: type[AnyCallback]) -> AnyCallback | None:
    """Return the trainer's first callback of a kind, None if it has none."""
    callbacks: Any = trainer.callbacks  # type: ignore[attr-defined]
    return next((callback for callback in callbacks if isinstance(callback, kind)), None)


def run_folder(trainer: L.Trainer) -> Path | None:
    """Return the folder of a run's files; None where the run is to leave none (`fast_dev_run`).

    `trainer.log_dir` does the same with a broadcast, which hangs unless every process asks.
    """
    if trainer.fast_dev_run:  # type: ignore[attr-defined]
        return None
    logger = trainer.loggers[0] if trainer.loggers else None
    return Path(getattr(logger, "log_dir", None) or trainer.default_root_dir)
