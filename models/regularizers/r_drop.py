"""R-Drop (Liang et al., "R-Drop: Regularized Dropout for Neural Networks", NeurIPS 2021, arXiv 2106.14448)."""

import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from datamodules.checks import check_coefficient
from models.regularizers.base import Regularizer, Step


def symmetric_divergence(first: Tensor, second: Tensor) -> Tensor:
    """Return (KL(p‖q) + KL(q‖p)) / 2 of the softmax of two logits, averaged over the batch.

    Args:
        first: Logits of p, (N, C).
        second: Logits of q, (N, C).

    Returns:
        A scalar in single precision or better.
    """
    dtype = torch.promote_types(first.dtype, torch.float32)
    log_p, log_q = F.log_softmax(first, -1, dtype=dtype), F.log_softmax(second, -1, dtype=dtype)
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(-1).mean() / 2


def has_dropout(network: nn.Module) -> bool:
    """Return whether a network has active dropout of any kind (a rate `p` or `dropout` above 0)."""
    modules = [module for module in network.modules() if module.training]  # frozen ones are not
    rates = [getattr(module, name, 0) for module in modules for name in ("p", "dropout")]
    return any(isinstance(rate, float) and rate > 0 for rate in rates)


class RDrop(Regularizer):
    """Passes a batch twice, with two draws of dropout, and adds α · (KL + KL) / 2 between the two predictions.

    The loss itself is the first pass's only. The paper adds the losses of both passes, so half of its α has the same
    effect here; the authors' code averages them, and its α is this one.

    Args:
        alpha: α, 0 or more.

    Raises:
        ValueError: `alpha` is out of range.
    """

    applies_to = ("classes",)
    strength = "alpha"
    keeps_inputs = True

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        check_coefficient("RDrop", alpha=alpha)
        self.alpha = alpha

    @override
    def setup(self, network: nn.Module, num_classes: int, before: Sequence[Regularizer]) -> None:
        super().setup(network, num_classes, before)
        if not has_dropout(network):
            warnings.warn(
                f"RDrop: {type(network).__name__} has no active dropout, so both passes are the same: set its dropout",
                stacklevel=2,
            )

    @override
    def penalty(self, step: Step) -> Tensor | None:
        return self.alpha * symmetric_divergence(step.outputs, step.forward(step.inputs)) if self.alpha else None
