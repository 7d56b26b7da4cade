"""A task's predictions for chosen samples, as validation would compute them."""

from typing import Any, cast

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from datamodules.in_memory import InMemoryDataModule, Loader
from models.task import Task


class Evaluation:
    """Evaluates the same samples over and over, every device all of them.

    Args:
        data: Where the samples are.
        indices: Which ones, (n,), int64.
    """

    def __init__(self, data: InMemoryDataModule, indices: Tensor) -> None:
        self.data = data
        self.indices = indices
        self._loader: Loader | None = None

    def __call__(self, trainer: L.Trainer, task: Task) -> tuple[Tensor, Tensor]:
        """Return predictions and targets, as metrics take them; only while Lightning validates.

        Then the network is in evaluation mode, nothing is augmented, no gradient is kept, and where weights are
        averaged it has the averaged ones.
        """
        if self._loader is None:
            self._loader = self.data.make_loader(self.indices, self.data.eval_batch_size)
        predictions, given = [], []
        for batch in self._loader:
            inputs, targets, steps = task.unpack(trainer.strategy.batch_to_device(batch))
            with trainer.precision_plugin.val_step_context():
                predictions.append(task.predictions(task.outputs(inputs, steps)).cpu())
            given.append(targets.cpu())
        return torch.cat(predictions), torch.cat(given)


def require_task(name: str, trainer: L.Trainer, module: L.LightningModule) -> tuple[Task, InMemoryDataModule]:
    """Return the task and the data, which must be this project's.

    Raises:
        MisconfigurationException: One is not; the message names the callback.
    """
    data: Any = getattr(trainer, "datamodule", None)
    if not isinstance(module, Task) or not isinstance(data, InMemoryDataModule):
        raise MisconfigurationException(
            f"{name} needs a task and a datamodule of Holdout, not {type(module).__name__} and {type(data).__name__}"
        )
    return module, data


def is_due(trainer: L.Trainer, every_n_epochs: int) -> bool:
    """Return whether a validation in training is one after which to measure: of every nth epoch, and of the last."""
    if trainer.sanity_checking or trainer.state.fn != "fit":
        return False
    epoch = trainer.current_epoch + 1
    return epoch % every_n_epochs == 0 or epoch == trainer.max_epochs


def forget(trainer: L.Trainer, prefix: str) -> None:
    """Take the figures of an earlier epoch away, which Lightning would show as this one's where none are measured."""
    for name in [name for name in trainer.callback_metrics if name.startswith(prefix)]:
        trainer.callback_metrics.pop(name)


def require_positive(name: str, **values: int) -> None:
    """Check the arguments of a callback.

    Raises:
        MisconfigurationException: One is less than 1.
    """
    for argument, value in values.items():
        if value < 1:
            raise MisconfigurationException(f"{name}: {argument} {value} is less than 1")


def as_task(module: L.LightningModule) -> Task:
    """Return a module that was checked before."""
    return cast("Task", module)
