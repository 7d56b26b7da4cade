"""Checkpoints of the best and of the latest epoch: Lightning's, with this project's names and defaults."""

from pathlib import Path
from typing import Any, ClassVar, final

import lightning as L
import torch
from lightning.pytorch import callbacks
from typing_extensions import override

from callbacks.lookup import callbacks_of
from callbacks.monitor import at_epoch_end, check_monitor, metric_mode, resolve_mode
from models.checkpoint_paths import with_own_paths
from models.evaluated import Mode


@final
class Checkpoint(callbacks.ModelCheckpoint):
    """Keeps the checkpoint of the best epoch, or of the best validation within one, as `best.ckpt`.

    Args:
        monitor: Name of the metric that decides.
        mode: "min" or "max"; by default the direction that the metric has.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self, monitor: str = "val/loss", mode: Mode | None = None) -> None:
        self.stated_mode = mode
        super().__init__(
            filename="best",
            monitor=monitor,
            mode=mode or "min",
            save_top_k=1,
            save_on_train_epoch_end=at_epoch_end(monitor),
            auto_insert_metric_name=False,
            enable_version_counter=False,
        )

    @property
    @override
    def state_key(self) -> str:
        # Not Lightning's: the user's callbacks may include one of Lightning's too.
        return f"holdout.Checkpoint{{'monitor': {self.monitor!r}, 'mode': {self.mode!r}}}"

    @override
    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        assert self.monitor is not None
        mode = self.stated_mode or metric_mode(pl_module, self.monitor)
        if stage == "fit":
            check_monitor("checkpoint", self.monitor, trainer, pl_module)
            mode = resolve_mode("checkpoint", self.monitor, mode, pl_module)
        if mode is not None and mode != self.mode:
            self.mode = mode
            self.kth_value = torch.tensor(torch.inf if mode == "min" else -torch.inf)

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        # Lightning forgets the best epoch if the run's folder changed: it was moved together with the file, or the run
        # is continued in another folder and the file stays where it is.
        state_dict = with_own_paths(state_dict, self.dirpath)
        recorded = state_dict["best_model_path"]
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

    Lightning's `save_last` writes only in epochs that improve on the best.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__(
            filename="last",
            save_top_k=1,
            every_n_epochs=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    @property
    @override
    def state_key(self) -> str:
        return "holdout.LastCheckpoint"

    @override
    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        # Last of all callbacks, so that the file holds what the others keep of this epoch, and `ckpt_path="best"`,
        # for which Lightning asks the first checkpoint callback, is the monitored one.
        others = [callback for callback in callbacks_of(trainer) if callback is not self]
        trainer.callbacks = [*others, self]  # type: ignore[attr-defined]
        super().setup(trainer, pl_module, stage)

    @override
    def state_dict(self) -> dict[str, Any]:
        return {}  # there is one file, and its name is known

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        pass
