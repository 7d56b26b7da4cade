"""Freezing: layers that have learnt soon train in the first epochs alone, and cost less afterwards."""

from collections.abc import Iterator
from typing import ClassVar

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import nn
from torch.optim import LBFGS
from typing_extensions import override

from callbacks.gradual_unfreezing import GradualUnfreezing, check_missing_gradients
from callbacks.lookup import find_callback
from callbacks.planned_length import PlannedOverEpochs
from datamodules.checks import check_fraction


class FreezeLayers(PlannedOverEpochs):
    """Trains some layers in the first epochs alone (as FreezeOut does, Brock et al., arXiv 1706.04983).

    Gradients are not computed below the lowest layer that trains, so freezing the first layers saves most. A frozen
    layer neither moves nor decays; its batch norms go on measuring. The epoch alone determines what trains, so that a
    run resumes exactly from any checkpoint. Not for LBFGS, which moves weights by what it remembers of them.

    Args:
        layers: Names of layers of the network, such as "whitening" or "blocks.1".
        after: Share of the epochs that they train in, in (0, 1); they train in one at least.

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
        if find_callback(trainer, GradualUnfreezing) is not None:
            raise MisconfigurationException("FreezeLayers: GradualUnfreezing decides what trains; leave one out")
        self.plan(trainer, "layers train for a share of the epochs")
        self._check_names(getattr(pl_module, "network", pl_module))

    def _check_names(self, network: nn.Module) -> None:
        known = [name for name, layer in network.named_modules() if name and any(True for _ in layer.parameters())]
        unknown = next((name for name in self.layers if name not in known), None)
        if unknown is not None:
            raise MisconfigurationException(
                f"FreezeLayers: {type(network).__name__} has no layer {unknown} with weights; it has {', '.join(known)}"
            )
        chosen = set(self._parameters_of(network))
        if not any(parameter.requires_grad and parameter not in chosen for parameter in network.parameters()):
            raise MisconfigurationException("FreezeLayers: nothing would be left to train; name fewer layers")

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if isinstance(trainer.optimizers[0], LBFGS):
            raise MisconfigurationException("FreezeLayers: LBFGS would move frozen layers; set another model.optimizer")
        self.on_train_epoch_start(trainer, pl_module)  # a run resumed within an epoch does not come there

    @override
    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not self._frozen and trainer.current_epoch >= max(round(self.after * self._epochs), 1):
            network = getattr(pl_module, "network", pl_module)
            self._frozen = [parameter for parameter in self._parameters_of(network) if parameter.requires_grad]
            for parameter in self._frozen:
                parameter.requires_grad_(False)
                parameter.grad = None

    def _parameters_of(self, network: nn.Module) -> Iterator[nn.Parameter]:
        for name in self.layers:
            yield from network.get_submodule(name).parameters()

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

    @override
    def changed_length(self, then: int, now: int) -> str:
        return f"layers were to be frozen in a run of {then} epochs and are now in one of {now}"
