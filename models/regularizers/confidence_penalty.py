"""Confidence penalty (Pereyra et al., "Regularizing Neural Networks by Penalizing Confident Output Distributions")."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.regularizers.base import Regularizer, check_coefficient


def entropy(logits: Tensor) -> Tensor:
    """Return the entropy of the softmax of logits (N, C), in nats: (N,), in single precision or better."""
    log_p = F.log_softmax(logits, dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    return -(log_p.exp() * log_p).sum(-1)


class ConfidencePenalty(Regularizer):
    """Adds −β · entropy of the predictions to the loss (arXiv 1701.06548, section 3), so it may fall below 0.

    Args:
        beta: β, 0 or more.

    Raises:
        ValueError: `beta` is out of range.
    """

    applies_to = "classes"
    strength = "beta"
    keeps_inputs = True

    def __init__(self, beta: float = 0.1) -> None:
        super().__init__()
        check_coefficient("ConfidencePenalty", "beta", beta)
        self.beta = beta

    def penalty(self, outputs: Tensor, targets: Tensor, network: nn.Module) -> Tensor | None:  # noqa: D102
        return -self.beta * entropy(outputs).mean() if self.beta else None
