"""Confidence penalty (Pereyra et al., "Regularizing Neural Networks by Penalizing Confident Output Distributions")."""

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from datamodules.checks import check_coefficient
from models.regularizers.base import Regularizer, Step


def entropy(logits: Tensor) -> Tensor:
    """Return the entropy of the softmax of logits (N, C), in nats: (N,), in single precision or better."""
    log_p = F.log_softmax(logits, dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    return -(log_p.exp() * log_p).sum(-1)


class ConfidencePenalty(Regularizer):
    """Adds −β · entropy of the predictions to the loss (arXiv 1701.06548, section 3); the sum may be below 0.

    Args:
        beta: β, 0 or more.

    Raises:
        ValueError: `beta` is out of range.
    """

    applies_to = ("classes",)
    strength = "beta"
    keeps_inputs = True

    def __init__(self, beta: float = 0.1) -> None:
        super().__init__()
        check_coefficient("ConfidencePenalty", beta=beta)
        self.beta = beta

    @override
    def penalty(self, step: Step) -> Tensor | None:
        return -self.beta * entropy(step.outputs).mean() if self.beta else None
