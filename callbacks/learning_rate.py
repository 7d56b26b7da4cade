"""The learning rate of each epoch, as one curve; as several only where parameters have different rates."""

from typing import Any, ClassVar

import lightning as L
from torch.optim import Optimizer
from typing_extensions import override

NAME = "lr"


class LearningRate(L.Callback):
    """Logs the learning rate at the start of each epoch.

    `lr` is the rate of the first group of parameters. A group with another rate is logged too, by its name or its
    number from 1, as `lr/group_2`; groups of equal rates are one curve.
    """

    changes_training: ClassVar[bool] = False

    @override
    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        rates = learning_rates(trainer.optimizers)
        for logger in trainer.loggers:
            logger.log_metrics(rates, step=trainer.fit_loop.epoch_loop._batches_that_stepped)


def learning_rates(optimizers: list[Optimizer]) -> dict[str, float]:
    """Return the different learning rates, by the name of the first group that has each."""
    found: dict[str, float] = {}
    groups: list[dict[str, Any]] = [group for optimizer in optimizers for group in optimizer.param_groups]
    for number, group in enumerate(groups, start=1):
        rate = float(group["lr"])
        if rate not in found.values():
            found[NAME if number == 1 else f"{NAME}/{group.get('name', f'group_{number}')}"] = rate
    return found
