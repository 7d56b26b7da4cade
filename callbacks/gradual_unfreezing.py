"""Gradual unfreezing: a pretrained network trains from the head backwards, more blocks every few epochs."""

from typing import ClassVar

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.strategies import DDPStrategy
from typing_extensions import override

from datamodules.checks import check_at_least
from models.networks import Pretrained

DDP = "ddp_find_unused_parameters_true"


class GradualUnfreezing(L.Callback):
    """Unfreezes `blocks` more blocks of a `Pretrained` network every `every_epochs` epochs (ULMFiT, arXiv 1801.06146).

    The run begins with the blocks that the network's `train` names, usually "head". The optimizer, and with it every
    schedule, holds all parameters from the start; a frozen one has no gradient, and neither moves nor decays. The epoch
    alone determines the blocks that train, so that a run resumes exactly from any checkpoint.

    Args:
        every_epochs: Number of epochs between two unfreezings, at least 1.
        blocks: Number of blocks to unfreeze each time, at least 1.

    Raises:
        ValueError: A number is less than 1.
    """

    changes_training: ClassVar[bool] = True

    def __init__(self, every_epochs: int = 1, blocks: int = 1) -> None:
        check_at_least("GradualUnfreezing", 1, every_epochs=every_epochs, blocks=blocks)
        self.every_epochs = every_epochs
        self.blocks = blocks

    @override
    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        # All blocks train until the optimizer, and DDP, have registered the parameters.
        if stage != "fit":
            return
        network = _network(pl_module)
        check_missing_gradients(trainer, "GradualUnfreezing")
        network.train_last(len(network.blocks()))

    @override
    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._unfreeze(trainer, pl_module)

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Again, now that the checkpoint's epoch is known; a run resumed mid-epoch skips on_train_epoch_start.
        self._unfreeze(trainer, pl_module)

    @override
    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._unfreeze(trainer, pl_module)

    def _unfreeze(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        network = _network(pl_module)
        count = network.initially_trained + self.blocks * (trainer.current_epoch // self.every_epochs)
        network.train_last(count)


def _network(module: L.LightningModule) -> Pretrained:
    network = getattr(module, "network", None)
    if not isinstance(network, Pretrained):
        raise MisconfigurationException(
            f"GradualUnfreezing: {type(network).__name__} has no frozen blocks; the network must be a Pretrained"
        )
    return network


def check_missing_gradients(trainer: L.Trainer, name: str) -> None:
    """Check that a trainer takes weights that have no gradient for a while.

    Args:
        trainer: The trainer.
        name: The callback that freezes them, for the message.

    Raises:
        MisconfigurationException: Several devices wait for the gradients of all weights.
    """
    several = trainer.world_size > 1 and isinstance(trainer.strategy, DDPStrategy)
    if several and not trainer.strategy._ddp_kwargs.get("find_unused_parameters"):  # type: ignore[attr-defined]
        raise MisconfigurationException(
            f"{name} on several devices: frozen weights have no gradients; set --trainer.strategy {DDP}"
        )
