"""Checkpoints of the best and of the latest epoch: Lightning's, with this project's names and defaults."""

from pathlib import Path
from typing import Any, ClassVar, final

import lightning as L
import torch
from lightning.pytorch import callbacks
from lightning.pytorch.utilities import rank_zero_warn
from typing_extensions import override

from callbacks.history import History, epochs_done
from callbacks.last_checkpoint import check_intervals
from callbacks.lookup import find_callback
from callbacks.monitor import at_epoch_end, check_monitor, metric_mode, resolve_mode
from models.checkpoint_paths import with_own_paths
from models.evaluated import Mode


@final
class Checkpoint(callbacks.ModelCheckpoint):
    """Keeps the checkpoint of the best epoch, or of the best validation within one, as `best.ckpt`.

    Args:
        monitor: Name of the metric that decides.
        mode: "min" or "max"; by default the direction that the metric has.
        every_n_train_steps: Write `last.ckpt` after this many optimizer steps too, not at the end of each epoch alone.
        every_minutes: Write it in an epoch that takes longer than this too; None waits for the epoch's end.

    Attributes:
        best_since: The best epoch is one of those after this many: more than 0 for a run that was resumed without the
            file of the best epoch before.

    Raises:
        ValueError: An argument is out of range.
    """

    changes_training: ClassVar[bool] = False
    may_change_on_resume: ClassVar[tuple[str, ...]] = ("every_n_train_steps", "every_minutes")

    def __init__(
        self,
        monitor: str = "val/loss",
        mode: Mode | None = None,
        every_n_train_steps: int | None = None,
        every_minutes: float | None = 10.0,
    ) -> None:
        check_intervals(every_n_train_steps, every_minutes)
        self.stated_mode = mode
        self.every_n_train_steps = every_n_train_steps
        self.every_minutes = every_minutes
        self.best_since = 0.0
        self._lost_best = False
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
        self._lost_best = best is None and state_dict.get("best_model_score") is not None
        self.best_since = state_dict.get("best_since", 0.0)
        if best is not None:
            score = state_dict["best_model_score"]
            state_dict = state_dict | {
                "dirpath": self.dirpath,
                "best_model_path": best,
                "kth_best_model_path": best,
                "best_k_models": {best: score},
            }
        super().load_state_dict(state_dict)
        self.current_score = state_dict.get("current_score")

    @override
    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"best_since": self.best_since}

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        history = find_callback(trainer, History)
        if self._lost_best and history is not None:
            self.best_since = max(map(epochs_done, history.in_order()), default=0.0)
            rank_zero_warn("the checkpoint of the best epoch so far is not there: the best is one of those to come")
