"""Gradual unfreezing: a pretrained network trains from the head backwards, some blocks more every few epochs."""

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.strategies import DDPStrategy

from callbacks.arguments import check_positive
from models.networks import Pretrained

DDP = "ddp_find_unused_parameters_true"


class GradualUnfreezing(L.Callback):
    """Unfreezes `blocks` more blocks of a `Pretrained` network every `every_epochs` epochs (ULMFiT, arXiv 1801.06146).

    The run begins with what the network's `train` says, "head" as a rule. The optimizer, and with it every schedule,
    has all parameters from the start; one that is frozen has no gradient, and is neither moved nor decayed. What is
    trained depends on the epoch alone, so that a run goes on exactly from any checkpoint.

    Args:
        every_epochs: Number of epochs between two unfreezings.
        blocks: How many more blocks each time.

    Raises:
        MisconfigurationException: A number is less than 1.
    """

    def __init__(self, every_epochs: int = 1, blocks: int = 1) -> None:
        check_positive("GradualUnfreezing", every_epochs=every_epochs, blocks=blocks)
        self.every_epochs = every_epochs
        self.blocks = blocks

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Let everything train until the optimizer, and what shares gradients among devices, know all parameters.

        Raises:
            MisconfigurationException: The network cannot be frozen, or the devices could not go on without gradients.
        """
        if stage != "fit":
            return
        network = _network(pl_module)
        several = trainer.world_size > 1 and isinstance(trainer.strategy, DDPStrategy)
        if several and not trainer.strategy._ddp_kwargs.get("find_unused_parameters"):  # type: ignore[attr-defined]
            raise MisconfigurationException(
                f"GradualUnfreezing on several devices: frozen blocks have no gradients; set --trainer.strategy {DDP}"
            )
        network.train_last(len(network.blocks()))

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Freeze what this epoch does not train."""
        self._unfreeze(trainer, pl_module)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Do so again, now that a checkpoint's epoch is known: a run that goes on inside an epoch does not start it."""
        self._unfreeze(trainer, pl_module)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Unfreeze what is due."""
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
