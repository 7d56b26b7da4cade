"""The callbacks of every training, beside the user's, and the one of them that keeps the recipe."""

import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning as L
import yaml
from lightning.pytorch.callbacks import Callback, LearningRateMonitor

from callbacks import (
    ConfusionMatrix,
    Curves,
    EpochLines,
    FirstBatch,
    FirstFilters,
    FittedLine,
    GradientNorms,
    Header,
    History,
    LastCheckpoint,
    LearningRate,
    MisclassifiedGallery,
    PredictedAgainstTrue,
    ReliabilityDiagram,
    SaveSplit,
    SilentFailures,
    StockMetrics,
    StopOnSignal,
    Summary,
)
from callbacks.files import display_path, write_text
from callbacks.fitted_line import has_line
from callbacks.lookup import run_folder
from datamodules import DataModule
from datamodules.atomic_write import WriteError
from models.own_runs import SIGNED_KEY, sign
from models.trusted import untrusted
from scripts.cli.checkpoint_config import CONFIG_KEY, untrusted_settings
from scripts.cli.recipe_text import dump_recipe


def training_callbacks(
    config: dict[str, Any],
    given: list[Callback],
    early_stopping: Any,
    checkpoint: Any,
    recipe: str,
    data: Any,
    stock: bool,
) -> list[Callback]:
    """Return the callbacks that stop, keep, record and report a training.

    Args:
        config: The trainer's arguments.
        given: The user's callbacks. One replaces ours of the same class; a checkpoint stands beside ours.
        early_stopping: The callback that stops early, or None.
        checkpoint: The callback that keeps the best epoch, or None.
        recipe: The run's settings as YAML.
        data: The datamodule, set up.
        stock: Whether the module is not this project's.
    """
    watched = (checkpoint.monitor, checkpoint.stated_mode) if checkpoint is not None else ("val/loss", None)
    own: list[Callback | None] = [
        StockMetrics() if stock else None,
        early_stopping,
        LearningRate() if config["logger"] else None,
        History(),
        checkpoint,
        None if checkpoint is None else LastCheckpoint(checkpoint.every_n_train_steps, checkpoint.every_minutes),
        SaveSplit(),
        SilentFailures(),
        Header(),
        EpochLines(),
        None if config["fast_dev_run"] else SaveConfig(recipe),
        Curves(*watched),
        *(figures_of(data, watched) if not stock and isinstance(data, DataModule) else ()),
        Summary(*watched),  # the last to write: a run without its summary is ended once more
        StopOnSignal(),
    ]
    kinds = {type(callback) for callback in given} - {type(checkpoint), type(early_stopping)}
    if LearningRateMonitor in kinds:
        kinds.add(LearningRate)
    return [callback for callback in own if callback is not None and type(callback) not in kinds]


def figures_of(data: DataModule, watched: tuple[str, Any]) -> list[Callback | None]:
    """Return the callbacks that draw a training of this project's tasks and data."""
    return [
        FirstBatch(),
        FirstFilters(),
        GradientNorms(),
        ConfusionMatrix(*watched),
        PredictedAgainstTrue(*watched),
        FittedLine() if has_line(data) else None,
    ]


def test_callbacks(given: list[Callback]) -> list[Callback]:
    """Return the callbacks that draw what a test finds, besides the user's, one of which replaces ours of its class."""
    kinds = {type(callback) for callback in given}
    own: list[Callback] = [MisclassifiedGallery(), ConfusionMatrix(), ReliabilityDiagram(), PredictedAgainstTrue()]
    return [callback for callback in own if type(callback) not in kinds]


class SaveConfig(Callback):
    """Writes the settings: as `config.yaml` into the run's folder, and into checkpoints.

    Lightning's own callback writes before a resume can be refused, and a refused resume must not change the run.

    Args:
        recipe: All settings of the run, as YAML.
    """

    def __init__(self, recipe: str) -> None:
        self.recipe = recipe
        self._first_epoch = 0

    def command_lines(self, checkpoint: str) -> list[str]:
        """Return the command that tests a checkpoint; with its recipe, if that names classes of unknown packages.

        Where this user's key has signed the names the checkpoint is enough.
        """
        path = Path(checkpoint)
        folder = path.parents[1]
        recipe = folder / "config.yaml"
        settings = yaml.safe_load(self.recipe)
        trusted = next(untrusted({part: settings[part] for part in ("model", "data")}), None) is None
        given = "" if trusted or _signed(settings) else f"-c {shlex.quote(str(recipe))} "
        best = folder if path.name == "best.ckpt" else path  # the folder stands for its best; 80 columns hold it
        return [f"test it     holdout test {given}--ckpt_path {shlex.quote(str(best))}"]

    def recipe_flag(self, checkpoint: Path) -> str:
        """Return "-c RECIPE " if a checkpoint is resumed with its recipe alone, which names what is not trusted."""
        settings = yaml.safe_load(self.recipe)
        trusted = next(untrusted_settings(settings), None) is None or _signed(settings)
        return "" if trusted else f"-c {shlex.quote(display_path(checkpoint.parents[1] / 'config.yaml'))} "

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the file."""
        self._first_epoch = trainer.current_epoch
        folder = run_folder(trainer)
        if folder is not None and trainer.is_global_zero:
            write_text(folder / "config.yaml", dump_recipe(self._settings(trainer)))

    def _settings(self, trainer: L.Trainer) -> dict[str, Any]:
        """Return the settings, with what was chosen in place of the precision "auto" and of no layout.

        Who repeats or evaluates the run then computes alike, whatever is faster by then.
        """
        settings: dict[str, Any] = yaml.safe_load(self.recipe)
        if settings["trainer"]["precision"] == "auto":
            settings["trainer"]["precision"] = str(trainer.precision)
        settings["trainer"]["channels_last"] = trainer.channels_last  # type: ignore[attr-defined]
        return settings

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put the recipe into the checkpoint, and the signature of what a stranger's must not name.

        Raises:
            WriteError: The run's folder was removed.
        """
        folder = run_folder(trainer)
        if folder is not None and trainer.is_global_zero and not (folder / "config.yaml").is_file():
            raise WriteError(folder / "checkpoints", "the run's folder was removed during training")
        settings = self._settings(trainer)
        checkpoint[CONFIG_KEY] = dump_recipe(settings)
        if signature := _signed(settings):
            checkpoint[SIGNED_KEY] = signature

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Remove the file of a run that failed in its first epoch, before any checkpoint."""
        folder = run_folder(trainer)
        if folder is None or not trainer.is_global_zero:
            return
        if trainer.current_epoch == self._first_epoch and not (folder / "checkpoints").exists():
            with suppress(OSError):  # a logger's folder may not be one
                (folder / "config.yaml").unlink()


def _signed(settings: dict[str, Any]) -> dict[str, Any] | None:
    """Return the signature of all in a run's settings that a stranger's must not bring; None if nothing is signed."""
    names = list(untrusted_settings(settings))
    return sign(names) if names else None
