"""Adaptive gradient clipping (Brock et al., "High-Performance Large-Scale Image Recognition Without Normalization")."""

from typing import ClassVar

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torch.optim import Optimizer
from typing_extensions import override

from callbacks.gradual_unfreezing import GradualUnfreezing
from callbacks.lookup import find_callback
from datamodules.checks import check_positive

SMALLEST_NORM = 1e-6


def clipping_factor(weight: Tensor, gradient: Tensor, clip: float, eps: float) -> Tensor:
    """Return the factor that keeps a parameter's gradient small compared to the parameter, unit by unit.

    min(1, λ max(‖W_i‖, ε) / ‖G_i‖) for each unit i (arXiv 2102.06171, equation 3): a row of a linear layer's weights,
    a filter of a convolution's; a bias or a norm's scale is one unit as a whole.

    Args:
        weight: The parameter, of any shape.
        gradient: Of the same shape.
        clip: λ, the largest ratio of the two norms.
        eps: ε, the smallest norm that a unit counts with, so that zero weights can grow.

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
    """Keeps each unit's gradient small compared to its weights, in all layers but the head (arXiv 2102.06171).

    It acts before the Trainer's own clipping (`gradient_clip_val`), if both are on, and in both passes of SAM.

    Args:
        clip: Largest ratio of the gradient's norm to the weights', above 0. The paper's 0.01 is for batches of 4,096;
            smaller batches bear more.
        eps: Smallest norm that weights count with, above 0.

    Raises:
        ValueError: An argument is not a number above 0.
    """

    changes_training: ClassVar[bool] = True

    def __init__(self, clip: float = 0.01, eps: float = 1e-3) -> None:
        check_positive("AdaptiveGradientClipping", clip=clip, eps=eps)
        self.clip = clip
        self.eps = eps
        self._clipped: list[nn.Parameter] = []

    @override
    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        network = getattr(pl_module, "network", pl_module)
        head = getattr(network, "head", None)
        name = type(network).__name__
        if not isinstance(head, nn.Module):
            raise MisconfigurationException(
                f"AdaptiveGradientClipping: {name} has no `head`, which is not clipped; name its last layer `head`"
            )
        head_ids = {id(parameter) for parameter in head.parameters()}
        self._clipped = [parameter for parameter in network.parameters() if id(parameter) not in head_ids]
        if not self._clipped:
            raise MisconfigurationException(
                f"AdaptiveGradientClipping: {name} is only a head, which is not clipped; leave it out"
            )
        trained = any(parameter.requires_grad for parameter in self._clipped)
        if not trained and find_callback(trainer, GradualUnfreezing) is None:
            raise MisconfigurationException(
                f"AdaptiveGradientClipping: {name} trains only its head, which is not clipped; leave it out"
            )

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # A fused optimizer unscales gradients itself, after they were here.
        scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
        if scaled and any(getattr(optimizer, "_step_supports_amp_scaling", False) for optimizer in trainer.optimizers):
            raise MisconfigurationException(
                f"AdaptiveGradientClipping: under trainer.precision {trainer.precision} a fused optimizer gets scaled "
                "gradients, which cannot be clipped; set the optimizer's fused to false, or the precision to bf16-mixed"
            )

    @override
    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        for parameter in self._clipped:
            if parameter.grad is not None:
                parameter.grad.mul_(clipping_factor(parameter, parameter.grad, self.clip, self.eps))
