"""A run's recipe: in its folder, in its checkpoints, and its settings in TensorBoard."""

from typing import Any

import lightning as L
import yaml
from lightning.pytorch.callbacks import Callback

from callbacks.files import write_text
from callbacks.lookup import run_folder
from scripts.cli.checkpoint_config import CONFIG_KEY
from scripts.cli.hyperparameters import log_hyperparameters


class SaveConfig(Callback):
    """Writes the settings: as `config.yaml` into the run's folder, into checkpoints, and to TensorBoard.

    Lightning's own callback writes before a resume can be refused, and a refused resume must not change the run.

    Args:
        recipe: All settings of the run, as YAML.
    """

    def __init__(self, recipe: str) -> None:
        self.recipe = recipe

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the file."""
        folder = run_folder(trainer)
        if folder is not None and trainer.is_global_zero:
            write_text(folder / "config.yaml", self.recipe)

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put the recipe into the checkpoint. "auto" becomes the precision chosen, so that evaluations use it too."""
        settings = yaml.safe_load(self.recipe)
        if settings["trainer"]["precision"] == "auto":
            settings["trainer"]["precision"] = str(trainer.precision)
        checkpoint[CONFIG_KEY] = yaml.safe_dump(settings, sort_keys=False)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Remove the file of a run that failed in its first epoch, before any checkpoint."""
        folder = run_folder(trainer)
        if folder is None or not trainer.is_global_zero:
            return
        if trainer.current_epoch == 0 and not (folder / "checkpoints").exists():
            (folder / "config.yaml").unlink(missing_ok=True)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the hyperparameters once, with the best epoch's metrics."""
        log_hyperparameters(trainer, yaml.safe_load(self.recipe))
