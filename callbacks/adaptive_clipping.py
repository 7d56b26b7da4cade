"""Adaptive gradient clipping (Brock et al., "High-Performance Large-Scale Image Recognition Without Normalization")."""

import math

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torch.optim import Optimizer

from callbacks.gradual_unfreezing import GradualUnfreezing
from callbacks.lookup import find_callback

SMALLEST_NORM = 1e-6


def clipping_factor(weight: Tensor, gradient: Tensor, clip: float, eps: float) -> Tensor:
    """Return by how much to shrink a parameter's gradient so that it is small beside the parameter, unit by unit.

    min(1, λ max(‖W_i‖, ε) / ‖G_i‖) for each unit i (arXiv 2102.06171, equation 3): a row of a linear layer's weights,
    a filter of a convolution's; a bias or a norm's scale is one unit as a whole.

    Args:
        weight: The parameter, of any shape.
        gradient: Of the same shape.
        clip: λ, the largest ratio of the two norms.
        eps: ε, the smallest norm that a weight counts with, so that one of zero can grow.

    Returns:
        float32, of shape (units, 1, ...), or () for one unit.
    """
    dims = tuple(range(1, weight.ndim)) or None
    norms: list[Tensor] = [
        torch.linalg.vector_norm(tensor, dim=dims, keepdim=dims is not None, dtype=torch.float32)
        for tensor in (weight.detach(), gradient)
    ]
    factor: Tensor = clip * norms[0].clamp_min(eps) / norms[1].clamp_min(SMALLEST_NORM)
    return factor.clamp_max(1)


class AdaptiveGradientClipping(L.Callback):
    """Clips each unit's gradient to a share of the unit's weights' norm (arXiv 2102.06171); the head's is left alone.

    It acts before the Trainer's own clipping (`gradient_clip_val`), if both are on, and in both passes of SAM.

    Args:
        clip: Largest ratio of the gradient's norm to the weights', above 0. The paper's 0.01 is for batches of 4,096;
            smaller batches bear more.
        eps: Smallest norm that weights count with, above 0.

    Raises:
        MisconfigurationException: An argument is not a number above 0.
    """

    def __init__(self, clip: float = 0.01, eps: float = 1e-3) -> None:
        for name, value in (("clip", clip), ("eps", eps)):
            if not (math.isfinite(value) and value > 0):
                raise MisconfigurationException(f"AdaptiveGradientClipping: {name} {value} is not a number above 0")
        self.clip = clip
        self.eps = eps
        self._clipped: list[nn.Parameter] = []

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Find the parameters outside the head.

        Raises:
            MisconfigurationException: There is no telling the head from the rest, or nothing else.
        """
        network = getattr(pl_module, "network", pl_module)
        head = getattr(network, "head", None)
        name = type(network).__name__
        if not isinstance(head, nn.Module):
            raise MisconfigurationException(
                f"AdaptiveGradientClipping: {name} has no `head`, which is not clipped; call its last layer so"
            )
        spared = {id(parameter) for parameter in head.parameters()}
        self._clipped = [parameter for parameter in network.parameters() if id(parameter) not in spared]
        if not self._clipped:
            raise MisconfigurationException(
                f"AdaptiveGradientClipping: {name} is nothing but a head, which is not clipped; leave it out"
            )
        trained = any(parameter.requires_grad for parameter in self._clipped)
        if not trained and find_callback(trainer, GradualUnfreezing) is None:
            raise MisconfigurationException(
                f"AdaptiveGradientClipping: of {name} the head alone is trained, which is not clipped; leave it out"
            )

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Refuse gradients that are scaled when they come here.

        Raises:
            MisconfigurationException: A fused optimizer unscales them itself, after this.
        """
        scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
        if scaled and any(getattr(optimizer, "_step_supports_amp_scaling", False) for optimizer in trainer.optimizers):
            raise MisconfigurationException(
                f"AdaptiveGradientClipping: under trainer.precision {trainer.precision} a fused optimizer gets scaled "
                "gradients, which cannot be clipped; set the optimizer's fused to false, or bf16-mixed"
            )

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        """Shrink what is too large."""
        for parameter in self._clipped:
            if parameter.grad is not None:
                parameter.grad.mul_(clipping_factor(parameter, parameter.grad, self.clip, self.eps))
