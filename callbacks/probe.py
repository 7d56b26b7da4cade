"""What is measured on chosen samples beside validation, in the way that validation is."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, cast

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from callbacks.arguments import check_positive
from datamodules.base import DataModule
from datamodules.loader import BatchLoader
from datamodules.splitting.subsets import Indices, nested_subset
from models.task import Task


class Evaluation:
    """Evaluates the same samples over and over, every device all of them.

    Args:
        data: Where the samples are.
        indices: Which ones, (n,), int64.
    """

    def __init__(self, data: DataModule, indices: Tensor) -> None:
        self.data = data
        self.indices = indices
        self._loader: BatchLoader | None = None

    def __call__(self, trainer: L.Trainer, task: Task) -> tuple[Tensor, Tensor]:
        """Return predictions and targets, as metrics take them; only while Lightning validates.

        Then the network is in evaluation mode, nothing is augmented, no gradient is kept, and where weights are
        averaged it has the averaged ones.
        """
        if self._loader is None:
            self._loader = self.data.make_loader(self.indices, self.data.eval_batch_size)
        predictions, given = [], []
        for batch in self._loader:
            with trainer.precision_plugin.val_step_context():
                predicted, targets = task.evaluate(trainer.strategy.batch_to_device(batch))
            predictions.append(predicted.cpu())
            given.append(targets.cpu())
        return torch.cat(predictions), torch.cat(given)


class Probe(L.Callback, ABC):
    """Measures in every nth epoch, and in the last of `trainer.max_epochs`, and logs it when the epoch ends.

    Where not every epoch is validated, it measures in the first validated one from each nth on. A subclass chooses its
    samples in `choose` and evaluates them in `measure`.

    Args:
        samples: Largest number of samples.
        every_n_epochs: Measure in every nth epoch, and in the last.

    Raises:
        MisconfigurationException: An argument is less than 1.
    """

    prefix: ClassVar[str]  # of the figures that it logs

    def __init__(self, samples: int, every_n_epochs: int) -> None:
        check_positive(type(self).__name__, samples=samples, every_n_epochs=every_n_epochs)
        self.samples = samples
        self.every_n_epochs = every_n_epochs
        self._measured: dict[str, float] = {}  # in the validation that goes on
        self._figures: dict[str, float] = {}  # in the epoch that goes on
        self._epoch = 0  # the latest that was measured, from 1

    @abstractmethod
    def choose(self, data: DataModule) -> None:
        """Choose the samples, before training.

        Raises:
            MisconfigurationException: There are none.
        """

    @abstractmethod
    def measure(self, trainer: L.Trainer, task: Task) -> dict[str, float]:
        """Return figures by name, without the prefix, of the weights that are being validated."""

    def figures(self, trainer: L.Trainer, task: Task, measured: dict[str, float]) -> dict[str, float]:
        """Return what to log of what was measured, now that the validation is done."""
        return measured

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Forget what an earlier fit, interrupted, has left."""
        self._measured, self._figures, self._epoch = {}, {}, 0

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Choose the samples.

        Raises:
            MisconfigurationException: There are none, or the module or the data is not of this project. Nothing would
                be measured, or samples that are not trained on.
        """
        data: Any = getattr(trainer, "datamodule", None)
        if not isinstance(pl_module, Task) or not isinstance(data, DataModule):
            kinds = f"{type(pl_module).__name__} and {type(data).__name__}"
            raise MisconfigurationException(
                f"{type(self).__name__} needs a task and a datamodule of Holdout, not {kinds}"
            )
        if trainer.overfit_batches:  # type: ignore[attr-defined]
            raise MisconfigurationException(
                f"{type(self).__name__} measures the whole training part; trainer.overfit_batches leaves few "
                "batches of it: leave one of them out"
            )
        if not trainer.limit_val_batches:
            raise MisconfigurationException(
                f"{type(self).__name__} measures during validation, and trainer.limit_val_batches 0 leaves none"
            )
        self.choose(data)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take the figures of an earlier epoch away, which Lightning would show as this one's if none are measured."""
        for name in [name for name in trainer.callback_metrics if name.startswith(self.prefix)]:
            trainer.callback_metrics.pop(name)

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Measure with the weights and buffers that are being validated, after the first batch.

        At the start and the end of the epoch a callback that averages weights may have put them in already, or not; and
        DDP gives all devices the buffers of one for the first batch.
        """
        if (
            trainer.state.fn == TrainerFn.FITTING
            and not trainer.sanity_checking
            and not batch_idx
            and self._due(trainer)
        ):
            self._epoch = trainer.current_epoch + 1
            self._measured = self.measure(trainer, cast("Task", pl_module))

    def _due(self, trainer: L.Trainer) -> bool:
        epoch, interval = trainer.current_epoch + 1, trainer.check_val_every_n_epoch or 1
        last = trainer.max_epochs is not None and epoch <= trainer.max_epochs < epoch + interval
        return last or epoch == self._epoch or epoch // self.every_n_epochs > self._epoch // self.every_n_epochs

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep what the validation came to until the epoch ends: a checkpoint written in between holds it."""
        if self._measured:
            self._figures = self.figures(trainer, cast("Task", pl_module), self._measured)
            self._measured = {}

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log what was measured in this epoch."""
        for name, value in self._figures.items():
            pl_module.log(f"{self.prefix}{name}", value, sync_dist=True)
        self._figures = {}

    def state_dict(self) -> dict[str, Any]:
        """Return what was measured in the epoch that goes on, and in which it was measured last."""
        return {"figures": self._figures, "epoch": self._epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self._figures, self._epoch = dict(state_dict["figures"]), state_dict["epoch"]


def clean_subset(data: DataModule, count: int) -> Tensor:
    """Return a stratified subset of the training samples whose labels are true, (n,), int64, n at most `count`."""
    assert data.split is not None
    targets, train = data.samples.targets.numpy(), data.split.train
    true = (targets[train] == data.targets.numpy()[train]).reshape(len(train), -1).all(axis=1)
    return stratified_subset(data, train[true], data.strata(targets), count)


def stratified_subset(data: DataModule, indices: Indices, strata: Indices | None, count: int) -> Tensor:
    """Return a subset of samples, (n,), int64, n at most `count`: the same one for the same seed of the split.

    Args:
        data: Where the samples are.
        indices: What to choose from.
        strata: What to keep in proportion, of every sample of the dataset; None keeps nothing.
        count: How many.
    """
    count = min(count, len(indices))
    return torch.from_numpy(nested_subset(indices, strata, count, data.split_options.seed) if count else indices)
