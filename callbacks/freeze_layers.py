"""Freezing: layers that have learnt soon train in the first epochs alone, and cost less afterwards."""

from collections.abc import Iterator
from typing import ClassVar

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import nn
from typing_extensions import override

from callbacks.gradual_unfreezing import check_missing_gradients
from datamodules.checks import check_fraction


class FreezeLayers(L.Callback):
    """Trains some layers in the first epochs alone (as FreezeOut does, Brock et al., arXiv 1706.04983).

    Gradients are not computed below the lowest layer that trains, so freezing the first layers saves most. A frozen
    layer neither moves nor decays; its batch norms go on measuring. The epoch alone determines what trains, so that a
    run resumes exactly from any checkpoint.

    Args:
        layers: Names of layers of the network, such as "whitening" or "blocks.1".
        after: Share of the epochs that they train in, in (0, 1).

    Raises:
        ValueError: The share is out of range.
    """

    changes_training: ClassVar[bool] = True

    def __init__(self, layers: list[str], after: float = 0.5) -> None:
        check_fraction("FreezeLayers", above_zero=True, below_one=True, after=after)
        self.layers = layers
        self.after = after
        self._frozen: list[nn.Parameter] = []

    @override
    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        check_missing_gradients(trainer, "FreezeLayers")
        if trainer.max_epochs in (None, -1):
            raise MisconfigurationException(
                "FreezeLayers: layers train for a share of the epochs; set trainer.max_epochs"
            )
        network = pl_module.get_submodule("network")
        known = [name for name, layer in network.named_modules() if name and any(True for _ in layer.parameters())]
        unknown = next((name for name in self.layers if name not in known), None)
        if unknown is not None:
            raise MisconfigurationException(
                f"FreezeLayers: {type(network).__name__} has no layer {unknown} with weights; it has {', '.join(known)}"
            )

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.on_train_epoch_start(trainer, pl_module)  # a run resumed within an epoch does not come there

    @override
    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not self._frozen and trainer.current_epoch >= round(self.after * (trainer.max_epochs or 0)):
            self._frozen = list(self._trained(pl_module))
            for parameter in self._frozen:
                parameter.requires_grad_(False)
                parameter.grad = None

    def _trained(self, module: L.LightningModule) -> Iterator[nn.Parameter]:
        for name in self.layers:
            layer = module.get_submodule(f"network.{name}")
            yield from (parameter for parameter in layer.parameters() if parameter.requires_grad)

    @override
    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._thaw()

    @override
    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._thaw()  # Lightning skips on_fit_end

    def _thaw(self) -> None:
        for parameter in self._frozen:
            parameter.requires_grad_(True)
        self._frozen = []
