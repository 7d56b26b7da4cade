"""Figures of a part's predictions: of validation in the best epoch, when training ends, and of a test."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import lightning as L
from matplotlib.figure import Figure
from torch import Tensor
from typing_extensions import override

from callbacks.best_epoch import BestEpochCallback
from callbacks.figures import PART_LABELS, save_figure
from callbacks.history import History, epochs_done, moment
from callbacks.lookup import run_folder, run_title, validates_in_fit
from datamodules.samples import existing_targets
from models.evaluated import Mode

Collected = dict[str, Tensor]


class PredictionsFigure(BestEpochCallback):
    """Collects the predictions that validation and test make anyway, and draws them.

    The best epoch is known only later: what the latest validation gave and what the best one gave are kept, and are in
    checkpoints, so that a resumed run draws the same. Each is as small as a figure needs.

    Args:
        monitor: Metric that decides which epoch is the best.
        mode: "min" or "max"; by default the direction that the metric has.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self, monitor: str = "val/loss", mode: Mode | None = None) -> None:
        super().__init__(monitor, mode)
        self._latest: Collected = {}
        self._best: Collected = {}
        self._latest_moment = self._best_moment = 0.0  # in epochs trained
        self._collects = False

    @abstractmethod
    def begin(self, pl_module: L.LightningModule, data: Any) -> bool:
        """Forget earlier predictions; return whether there is anything to draw for this task and its datamodule."""

    @abstractmethod
    def add(self, predictions: Tensor, targets: Tensor) -> None:
        """Take a batch of predictions and targets, as the metrics compare them."""

    @abstractmethod
    def collected(self, trainer: L.Trainer) -> Collected:
        """Return what was collected from all devices, on the CPU; empty without predictions. Each device calls it."""

    @abstractmethod
    def draw(self, collected: Collected, part: str, title: str, pl_module: Any, data: Any) -> Mapping[str, Figure]:
        """Return figures by name.

        Args:
            collected: What `collected` returned, not empty.
            part: "val" or "test".
            title: The run, its part and the epoch.
            pl_module: The task.
            data: The datamodule.
        """

    def _start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        data: Any = getattr(trainer, "datamodule", None)
        self._collects = data is not None and run_folder(trainer) is not None and self.begin(pl_module, data)

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.global_step:  # an earlier run of the same callback
            self._latest, self._best, self._latest_moment, self._best_moment = {}, {}, 0.0, 0.0

    @override
    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if validates_in_fit(trainer):
            self._keep_best(trainer)  # the latest until now
            self._start(trainer, pl_module)

    @override
    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        if self._collects and validates_in_fit(trainer) and outputs is not None:
            self.add(outputs, existing_targets(batch[1]))

    @override
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._collects and validates_in_fit(trainer):
            self._latest = self.collected(trainer)
            self._latest_moment = epochs_done(History.of(trainer).validation(trainer))

    def _keep_best(self, trainer: L.Trainer) -> None:
        best = self.best(trainer)
        if best is not None and epochs_done(best) == self._latest_moment:
            self._best, self._best_moment = self._latest, self._latest_moment

    @override
    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._keep_best(trainer)
        best, folder = self.best(trainer), run_folder(trainer)
        if folder is None or not trainer.is_global_zero or not self._latest:
            return
        collected, words = self._latest, f"epoch {round(self._latest_moment, 2):g}"
        if best is not None and self._best and epochs_done(best) == self._best_moment:
            collected, words = self._best, f"best epoch {moment(best)}"
        self._save(trainer, pl_module, collected, "val", f"{run_title(folder)}: {PART_LABELS['val']}, {words}")

    @override
    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._start(trainer, pl_module)

    @override
    def on_test_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        if self._collects and outputs is not None:
            self.add(outputs, existing_targets(batch[1]))

    @override
    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        collected, folder = self.collected(trainer) if self._collects else {}, run_folder(trainer)
        if collected and folder is not None and trainer.is_global_zero:
            self._save(trainer, pl_module, collected, "test", f"{run_title(folder)}: {PART_LABELS['test']}")

    def _save(self, trainer: L.Trainer, pl_module: Any, collected: Collected, part: str, title: str) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        for name, figure in self.draw(collected, part, title, pl_module, data).items():
            save_figure(trainer, figure, name)

    @override
    def state_dict(self) -> dict[str, Any]:
        moments = {"latest_moment": self._latest_moment, "best_moment": self._best_moment}
        return {"latest": self._latest, "best": self._best, **moments}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._latest, self._best = dict(state_dict["latest"]), dict(state_dict["best"])
        self._latest_moment, self._best_moment = state_dict["latest_moment"], state_dict["best_moment"]
