"""The metrics of a LightningModule that is not this project's, under the names that the other callbacks know."""

from typing import ClassVar

import lightning as L
from lightning.pytorch.utilities import rank_zero_warn
from typing_extensions import override

from callbacks.checkpoints import Checkpoint
from callbacks.early_stopping import EarlyStopping
from callbacks.lookup import find_callback

PARTS = ("val", "train")
FORKED = ("_step", "_epoch")  # Lightning's endings of a metric that is logged for steps and for epochs
LOSS = "val/loss"


class StockMetrics(L.Callback):
    """Lets `val_loss` count as `val/loss`, `train_acc` as `train/acc`, and so on, for the callbacks that come after it.

    The first validation shows which metrics such a module logs; the check before training is one. If it logs no loss,
    early stopping and the checkpoint of the best epoch have nothing to watch: a warning says so, and the run goes on
    without them.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self) -> None:
        self._renamed: set[str] = set()
        self._checked = False

    @override
    def on_sanity_check_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._rename(trainer)
        self._check(trainer, pl_module)

    @override
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._rename(trainer)
        if not trainer.sanity_checking:
            self._check(trainer, pl_module)

    @override
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._rename(trainer)
        if not trainer.enable_validation:
            self._check(trainer, pl_module)

    @override
    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._rename(trainer)  # what the module itself logged at the end of the epoch before

    @override
    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._rename(trainer)

    def _rename(self, trainer: L.Trainer) -> None:
        logged = trainer.callback_metrics
        for name, value in list(logged.items()):
            part, _, rest = name.partition("_")
            forked = rest.endswith(FORKED) and name.rpartition("_")[0] in logged
            ours = f"{part}/{rest}"
            if part in PARTS and rest and not forked and (ours not in logged or ours in self._renamed):
                self._renamed.add(ours)
                logged[ours] = value

    def _check(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        logged = trainer.callback_metrics
        if self._checked or LOSS in logged:
            return
        self._checked = True
        stopping, checkpoint = find_callback(trainer, EarlyStopping), find_callback(trainer, Checkpoint)
        lost = []
        if stopping is not None and stopping.monitor == LOSS:
            stopping.strict = False
            lost.append("--early_stopping.monitor")
        if checkpoint is not None and checkpoint.monitor == LOSS:
            checkpoint.save_top_k = 0
            lost.append("--checkpoint.monitor")
        if lost:
            found = ", ".join(name for name in logged if name.startswith("val") and name not in self._renamed)
            choice = f"; choose from {found} with {' and '.join(lost)}" if found else ""
            rank_zero_warn(
                f"{type(pl_module).__name__} logs neither val/loss nor val_loss: nothing stops the run early, and no "
                f"epoch is kept as the best{choice}"
            )
