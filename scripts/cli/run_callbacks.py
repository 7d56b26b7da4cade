"""The callbacks of every training, beside the user's."""

from typing import Any

from lightning.pytorch.callbacks import Callback, LearningRateMonitor

from callbacks import Curves, EpochLines, Header, History, LastCheckpoint, SaveSplit, Summary
from scripts.cli.save_config import SaveConfig


def training_callbacks(
    config: dict[str, Any], given: list[Callback], early_stopping: Any, checkpoint: Any, recipe: str
) -> list[Callback]:
    """Return the callbacks that stop, keep, record and report a training.

    Args:
        config: The trainer's arguments.
        given: The user's callbacks. One replaces ours of the same class; a checkpoint stands beside ours.
        early_stopping: The callback that stops early, or None.
        checkpoint: The callback that keeps the best epoch, or None.
        recipe: The run's settings as YAML.
    """
    watched = (checkpoint.monitor, checkpoint.stated_mode) if checkpoint is not None else ("val/loss", None)
    own: list[Callback | None] = [
        early_stopping,
        LearningRateMonitor("epoch") if config["logger"] else None,
        History(),
        checkpoint,
        LastCheckpoint() if checkpoint is not None else None,
        SaveSplit(),
        Header(),
        None if config["enable_progress_bar"] else EpochLines(),
        Curves(*watched),
        Summary(*watched),
        None if config["fast_dev_run"] else SaveConfig(recipe),
    ]
    kinds = {type(callback) for callback in given} - {type(checkpoint), type(early_stopping)}
    return [callback for callback in own if callback is not None and type(callback) not in kinds]
