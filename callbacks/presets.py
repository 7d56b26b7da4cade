"""Lightning's early stopping and checkpointing with this project's defaults."""

from pathlib import Path
from typing import Any, Literal, final

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import callbacks

from callbacks.lookup import callbacks_of
from callbacks.probe import Probe

Mode = Literal["min", "max"]
HIGHER_IS_BETTER = ("accuracy", "f1", "precision", "recall", "auroc", "r2")
LOWER_IS_BETTER = ("loss", "error", "objective", "mse", "mae", "rmse", "gap")


def monitor_mode(monitor: str) -> Mode | None:
    """Return whether a figure of this name is better lower ("min") or higher ("max"); None if it does not tell."""
    name = monitor.rsplit("/", 1)[-1]
    if any(word in name for word in LOWER_IS_BETTER):
        return "min"
    if any(word in name for word in HIGHER_IS_BETTER):
        return "max"
    return None


def at_epoch_end(monitor: str) -> bool | None:
    """Return True for a figure that is measured when an epoch ends, None for Lightning's choice: validation's end.

    A validation that comes earlier would find a training figure of the epoch before, or none.
    """
    return True if monitor.startswith("train/") else None


def check_monitor(option: str, monitor: str, mode: Mode | None, trainer: L.Trainer, module: L.LightningModule) -> None:
    """Check a monitored figure before training starts.

    Raises:
        MisconfigurationException: `module` says that it logs no such figure (those there are get listed), or neither
            `mode` nor the name says whether higher is better.
    """
    modes = getattr(module, "metric_modes", None)
    if callable(modes) and monitor not in modes():
        names = ", ".join(sorted(modes()))
        instruments = [callback for callback in callbacks_of(trainer) if isinstance(callback, Probe)]
        if any(monitor.startswith(instrument.prefix) for instrument in instruments):
            raise MisconfigurationException(
                f"{option}.monitor: {monitor} is no figure that a run can be judged by, every epoch; there are {names}"
            )
        raise MisconfigurationException(f"{option}.monitor: no figure is called {monitor!r}; there are {names}")
    if monitor.startswith("val/") and trainer.limit_val_batches == 0:
        raise MisconfigurationException(f"{option}.monitor: {monitor} is never measured (limit_val_batches is 0)")
    if mode is None and monitor_mode(monitor) is None:
        raise MisconfigurationException(f"{option}.mode: say whether {monitor!r} is better at its min or max")


@final
class EarlyStopping(callbacks.EarlyStopping):
    """Stops training once the monitored figure has not improved for `patience` validations (usually: epochs).

    Args:
        monitor: Name of the figure.
        patience: Number of validations without improvement after which training stops.
        min_delta: Smallest change that counts as an improvement.
        mode: "min" or "max"; by default right for the figure.
    """

    def __init__(
        self, monitor: str = "val/loss", patience: int = 10, min_delta: float = 0.0, mode: Mode | None = None
    ) -> None:
        if patience < 1:
            raise MisconfigurationException(f"early_stopping.patience: {patience} is less than 1")
        self.stated_mode = mode
        mode = mode or monitor_mode(monitor) or "min"
        super().__init__(
            monitor=monitor,
            patience=patience,
            min_delta=min_delta,
            mode=mode,
            check_on_train_epoch_end=at_epoch_end(monitor),
        )

    @property
    def state_key(self) -> str:
        """A key of its own: one more of Lightning's may be among the user's callbacks."""
        return f"holdout.EarlyStopping{{'monitor': {self.monitor!r}, 'mode': {self.mode!r}}}"

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Refuse a figure that does not exist before training starts."""
        super().setup(trainer, pl_module, stage)
        if stage == "fit":
            check_monitor("early_stopping", self.monitor, self.stated_mode, trainer, pl_module)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the counts from the checkpoint, but `patience` from the arguments."""
        super().load_state_dict(state_dict | {"patience": self.patience})

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Do not train on where the run had stopped already."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True


@final
class Checkpoint(callbacks.ModelCheckpoint):
    """Keeps the checkpoint of the best epoch, or of the best validation within one, as `best.ckpt`.

    Args:
        monitor: Name of the figure that decides.
        mode: "min" or "max"; by default right for the figure.
    """

    def __init__(self, monitor: str = "val/loss", mode: Mode | None = None) -> None:
        self.stated_mode = mode
        super().__init__(
            filename="best",
            monitor=monitor,
            mode=mode or monitor_mode(monitor) or "min",
            save_top_k=1,
            save_on_train_epoch_end=at_epoch_end(monitor),
            auto_insert_metric_name=False,
            enable_version_counter=False,
        )

    @property
    def state_key(self) -> str:
        """A key of its own: one more of Lightning's may be among the user's callbacks."""
        return f"holdout.Checkpoint{{'monitor': {self.monitor!r}, 'mode': {self.mode!r}}}"

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Refuse a figure that does not exist before training starts."""
        super().setup(trainer, pl_module, stage)
        if stage == "fit":
            assert self.monitor is not None
            check_monitor("checkpoint", self.monitor, self.stated_mode, trainer, pl_module)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the record of the best epoch, which Lightning forgets when the run's folder is another.

        The folder was moved with its file, or another run's goes on here and its file stays where it is.
        """
        recorded = state_dict.get("best_model_path")
        paths = [Path(self.dirpath or "") / "best.ckpt", Path(recorded)] if recorded else []
        best = next((str(path) for path in paths if path.is_file()), None)
        if best is not None:
            score = state_dict["best_model_score"]
            state_dict = state_dict | {
                "dirpath": self.dirpath,
                "best_model_path": best,
                "kth_best_model_path": best,
                "best_k_models": {best: score},
            }
        super().load_state_dict(state_dict)


class LastCheckpoint(callbacks.ModelCheckpoint):
    """Keeps the checkpoint of the latest epoch as `last.ckpt`.

    Lightning's `save_last` writes one only in epochs that improve on the best.
    """

    def __init__(self) -> None:
        super().__init__(
            filename="last",
            save_top_k=1,
            every_n_epochs=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    @property
    def state_key(self) -> str:
        """A key of its own: one more of Lightning's may be among the user's callbacks."""
        return "holdout.LastCheckpoint"

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: there is one file, and its name is known."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take nothing from the checkpoint."""
