"""Probes: measurements on chosen samples beside validation, made in the way that validation is."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, cast

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor
from typing_extensions import override

from callbacks.history import History, Row
from callbacks.lookup import validates_in_fit
from datamodules.base import DataModule
from datamodules.checks import check_at_least
from datamodules.splitting.subsets import Indices, nested_subset
from models.task import Task


class Evaluation:
    """Evaluates the same samples over and over, each device all of them.

    Args:
        data: The datamodule that holds the samples.
        indices: Indices of the samples, (n,), int64.
    """

    def __init__(self, data: DataModule, indices: Tensor) -> None:
        self.data = data
        self.indices = indices
        self._loader: Iterable[Any] | None = None

    def __call__(self, trainer: L.Trainer, task: Task) -> tuple[Tensor, Tensor]:
        """Return predictions and targets, as metrics take them; call it only while Lightning validates.

        Then the network is in evaluation mode, nothing is augmented, no gradient is kept, and a network with averaged
        weights holds the average.
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

    If not every epoch is validated, it measures in the first validated epoch from each nth on. A subclass chooses its
    samples in `choose` and evaluates them in `measure`.

    Args:
        samples: Largest number of samples.
        every_n_epochs: Measure in every nth epoch, and in the last.

    Attributes:
        prefix: Prefix of the names of its metrics, such as "gap/".

    Raises:
        ValueError: An argument is less than 1.
    """

    changes_training: ClassVar[bool] = False
    prefix: ClassVar[str]

    def __init__(self, samples: int, every_n_epochs: int) -> None:
        check_at_least(type(self).__name__, 1, samples=samples, every_n_epochs=every_n_epochs)
        self.samples = samples
        self.every_n_epochs = every_n_epochs
        self._measured: dict[str, float] = {}  # in the running validation
        self._metrics: dict[str, float] = {}  # in the running epoch
        self._epoch = 0  # the latest that was measured, from 1

    @abstractmethod
    def choose(self, data: DataModule) -> None:
        """Choose the samples, before training.

        Raises:
            MisconfigurationException: There are none.
        """

    @abstractmethod
    def measure(self, trainer: L.Trainer, task: Task) -> dict[str, float]:
        """Return metrics by name, without the prefix, of the weights that are being validated."""

    def finish(self, trainer: L.Trainer, task: Task, measured: dict[str, float]) -> dict[str, float]:
        """Return the metrics to log, given those measured and, in the trainer, those of the validation just done."""
        return measured

    def summary(self, best: Row) -> dict[str, Any]:
        """Return entries of `summary.json` to add or replace, given the metrics of the best epoch."""
        return {}

    def summary_lines(self, best: Row) -> list[str]:
        """Return lines to print in the summary, given the metrics of the best epoch."""
        return []

    @override
    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._measured, self._metrics, self._epoch = {}, {}, 0  # an earlier fit may have been interrupted
        if stage == "fit":
            History.of(trainer)

    @override
    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        data: Any = getattr(trainer, "datamodule", None)
        name = type(self).__name__
        if not isinstance(pl_module, Task) or not isinstance(data, DataModule):
            kinds = f"{type(pl_module).__name__} and {type(data).__name__}"
            raise MisconfigurationException(f"{name} needs a task and a datamodule of Holdout, not {kinds}")
        if trainer.overfit_batches:  # type: ignore[attr-defined]
            raise MisconfigurationException(
                f"{name} measures the whole training part, and trainer.overfit_batches trains on a few batches; "
                "leave one of them out"
            )
        if not trainer.limit_val_batches:
            raise MisconfigurationException(
                f"{name} measures during validation, and trainer.limit_val_batches is 0; leave one of them out"
            )
        self.choose(data)

    @override
    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        # After the first batch the weights and buffers are those being validated. At the start and the end of the
        # epoch another callback may or may not have swapped averaged weights in, and DDP broadcasts the buffers of
        # one device with the first batch.
        if validates_in_fit(trainer) and not batch_idx and self._due(trainer):
            self._epoch = trainer.current_epoch + 1
            self._measured = self.measure(trainer, cast("Task", pl_module))

    def _due(self, trainer: L.Trainer) -> bool:
        epoch, interval = trainer.current_epoch + 1, trainer.check_val_every_n_epoch or 1
        last = trainer.max_epochs is not None and epoch <= trainer.max_epochs < epoch + interval
        return last or epoch == self._epoch or epoch // self.every_n_epochs > self._epoch // self.every_n_epochs

    @override
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Kept until the epoch ends: a checkpoint written in between holds it.
        if self._measured:
            self._metrics = self.finish(trainer, cast("Task", pl_module), self._measured)
            self._measured = {}
            History.of(trainer).validation(trainer).update(self._named_metrics())

    def _named_metrics(self) -> dict[str, float]:
        return {f"{self.prefix}{name}": value for name, value in self._metrics.items()}

    @override
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        for name, value in self._named_metrics().items():
            pl_module.log(name, value, sync_dist=True)
        self._metrics = {}

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"metrics": self._metrics, "epoch": self._epoch}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._metrics, self._epoch = dict(state_dict["metrics"]), state_dict["epoch"]


def clean_subset(data: DataModule, count: int) -> Tensor:
    """Return a stratified subset of the training samples with true labels, (n,), int64, n at most `count`."""
    assert data.split is not None
    targets, train = data.samples.targets.numpy(), data.split.train
    same = torch.isclose(data.samples.targets[train], data.targets[train], rtol=0, atol=0, equal_nan=True)
    true = same.reshape(len(train), -1).all(1).numpy()
    return stratified_subset(data, train[true], data.strata(targets), count)


def stratified_subset(data: DataModule, indices: Indices, strata: Indices | None, count: int) -> Tensor:
    """Return a subset of samples, (n,), int64, n at most `count`: the same one for the same seed of the split.

    Args:
        data: The datamodule that holds the samples.
        indices: Samples to choose from.
        strata: Keep these in proportion, one for every sample of the dataset; None for a plain random subset.
        count: Largest size of the subset.
    """
    count = min(count, len(indices))
    return torch.from_numpy(nested_subset(indices, strata, count, data.split_options.seed) if count else indices)
