"""R-Drop (Liang et al., "R-Drop: Regularized Dropout for Neural Networks", NeurIPS 2021, arXiv 2106.14448)."""

import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.regularizers.base import Forward, Regularizer, check_coefficient


def symmetric_divergence(first: Tensor, second: Tensor) -> Tensor:
    """Return (KL(p‖q) + KL(q‖p)) / 2 of the softmax of two logits, the mean over the batch.

    Args:
        first: Logits of p, (N, C).
        second: Logits of q, (N, C).

    Returns:
        A scalar in single precision or better.
    """
    kind = torch.promote_types(first.dtype, torch.float32)
    log_p, log_q = F.log_softmax(first, -1, dtype=kind), F.log_softmax(second, -1, dtype=kind)
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(-1).mean() / 2


def draws(network: nn.Module) -> bool:
    """Return whether a network has dropout or the like (a rate `p` or `dropout` above 0) that is on."""
    modules = [module for module in network.modules() if module.training]  # what is frozen is not
    rates = [getattr(module, name, 0) for module in modules for name in ("p", "dropout")]
    return any(isinstance(rate, float) and rate > 0 for rate in rates)


class RDrop(Regularizer):
    """Passes a batch twice, under two draws of dropout, and adds α · (KL + KL) / 2 between the two predictions.

    The loss itself is the first pass's alone. The paper adds up those of both passes, so that half of its α does the
    same here; the authors' code takes their mean, and its α is this one.

    Args:
        alpha: α, 0 or more.

    Raises:
        ValueError: `alpha` is out of range.
    """

    applies_to = "classes"
    strength = "alpha"
    keeps_inputs = True

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        check_coefficient("RDrop", "alpha", alpha)
        self.alpha = alpha

    def check(self, network: nn.Module, num_classes: int, before: Sequence[Regularizer]) -> None:
        """Warn of a network without dropout, whose two predictions would be the same."""
        super().check(network, num_classes, before)
        if not draws(network):
            warnings.warn(
                f"RDrop: {type(network).__name__} has no dropout that is on, so both passes give the same: set one",
                stacklevel=2,
            )

    def second_pass(  # noqa: D102
        self, forward: Forward, inputs: Tensor, outputs: Tensor, targets: Tensor
    ) -> Tensor | None:
        return self.alpha * symmetric_divergence(outputs, forward(inputs)) if self.alpha else None
