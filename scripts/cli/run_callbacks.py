"""The callbacks of every training, beside the user's, and the one of them that keeps the recipe."""

import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning as L
import yaml
from lightning.pytorch.callbacks import Callback, LearningRateMonitor

from callbacks import (
    Curves,
    EpochLines,
    Header,
    History,
    LastCheckpoint,
    SaveSplit,
    SilentFailures,
    StopOnSignal,
    Summary,
)
from callbacks.files import display_path, write_text
from callbacks.lookup import run_folder
from datamodules.atomic_write import WriteError
from models.trusted import untrusted
from scripts.cli.checkpoint_config import CONFIG_KEY, untrusted_settings
from scripts.cli.hyperparameters import log_hyperparameters
from scripts.cli.recipe_text import dump_recipe


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
        None if checkpoint is None else LastCheckpoint(checkpoint.every_n_train_steps, checkpoint.every_minutes),
        SaveSplit(),
        SilentFailures(),
        Header(),
        EpochLines(),
        None if config["fast_dev_run"] else SaveConfig(recipe),
        Curves(*watched),
        Summary(*watched),  # the last to write: a run without its summary is ended once more
        StopOnSignal(),
    ]
    kinds = {type(callback) for callback in given} - {type(checkpoint), type(early_stopping)}
    return [callback for callback in own if callback is not None and type(callback) not in kinds]


class SaveConfig(Callback):
    """Writes the settings: as `config.yaml` into the run's folder, into checkpoints, and to TensorBoard.

    Lightning's own callback writes before a resume can be refused, and a refused resume must not change the run.

    Args:
        recipe: All settings of the run, as YAML.
    """

    def __init__(self, recipe: str) -> None:
        self.recipe = recipe
        self._first_epoch = 0

    def command_lines(self, checkpoint: str) -> list[str]:
        """Return the command that tests a checkpoint; with its recipe, if that names classes that are not trusted."""
        path = Path(checkpoint)
        folder = path.parents[1]
        recipe = folder / "config.yaml"
        settings = yaml.safe_load(self.recipe)
        trusted = next(untrusted({part: settings[part] for part in ("model", "data")}), None) is None
        given = "" if trusted else f"-c {shlex.quote(str(recipe))} "
        best = folder if path.name == "best.ckpt" else path  # the folder stands for its best; 80 columns hold it
        return [f"test it     holdout test {given}--ckpt_path {shlex.quote(str(best))}"]

    def recipe_flag(self, checkpoint: Path) -> str:
        """Return "-c RECIPE " if a checkpoint is resumed with its recipe alone, which names what is not trusted."""
        named = next(untrusted_settings(yaml.safe_load(self.recipe)), None)
        return f"-c {shlex.quote(display_path(checkpoint.parents[1] / 'config.yaml'))} " if named is not None else ""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the file."""
        self._first_epoch = trainer.current_epoch
        folder = run_folder(trainer)
        if folder is not None and trainer.is_global_zero:
            write_text(folder / "config.yaml", self.recipe)

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put the recipe into the checkpoint. "auto" becomes the precision chosen, so that evaluations use it too.

        Raises:
            WriteError: The run's folder was removed.
        """
        folder = run_folder(trainer)
        if folder is not None and trainer.is_global_zero and not (folder / "config.yaml").is_file():
            raise WriteError(folder / "checkpoints", "the run's folder was removed during training")
        settings = yaml.safe_load(self.recipe)
        if settings["trainer"]["precision"] == "auto":
            settings["trainer"]["precision"] = str(trainer.precision)
        checkpoint[CONFIG_KEY] = dump_recipe(settings)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Remove the file of a run that failed in its first epoch, before any checkpoint."""
        folder = run_folder(trainer)
        if folder is None or not trainer.is_global_zero:
            return
        if trainer.current_epoch == self._first_epoch and not (folder / "checkpoints").exists():
            with suppress(OSError):  # a logger's folder may not be one
                (folder / "config.yaml").unlink()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the hyperparameters once, with the best epoch's metrics."""
        log_hyperparameters(trainer, yaml.safe_load(self.recipe))
