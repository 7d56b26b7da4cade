"""Losses that turn between samples that are easy and those that are hard: focal loss and Poly-1."""

import torch
from torch import Tensor

from models.losses.classification_loss import ClassificationLoss, expected_loss, log_probabilities


def focal_loss(logits: Tensor, targets: Tensor, gamma: float) -> Tensor:
    """Return −(1 − p)^γ log p of the label's probability p; of a mixture of labels, the expectation.

    Args:
        logits: (N, C).
        targets: Labels (N,), int64, or class probabilities (N, C).
        gamma: γ, 0 or more.
    """
    log_p = log_probabilities(logits)
    # Of 0, a power less than 1 has an infinite slope, which would make no number of the gradient of a sure sample.
    rest = torch.expm1(log_p).neg().clamp_min(torch.finfo(log_p.dtype).tiny)
    return expected_loss(-(rest**gamma) * log_p, targets)


def poly_loss(logits: Tensor, targets: Tensor, epsilon: float) -> Tensor:
    """Return −log p + ε(1 − p) of the label's probability p; of a mixture of labels, the expectation.

    Args:
        logits: (N, C).
        targets: Labels (N,), int64, or class probabilities (N, C).
        epsilon: ε, −1 or more.
    """
    log_p = log_probabilities(logits)
    return expected_loss(-log_p - epsilon * torch.expm1(log_p), targets)


class FocalLoss(ClassificationLoss):
    """Cross entropy in which samples that are learnt weigh little (Lin et al., ICCV 2017, arXiv 1708.02002, eq. 4).

    The paper's is of two classes, each a sigmoid; here p is the softmax's, and there is no class weight α. Of a target
    that is a mixture of labels it is the expectation.

    Args:
        gamma: γ, 0 or more: how little; 0 is cross entropy.

    Raises:
        ValueError: `gamma` is out of range.
    """

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__()
        if not 0 <= gamma < float("inf"):
            raise ValueError(f"FocalLoss: gamma {gamma} must be 0 or more")
        self.gamma = gamma

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:  # noqa: D102
        return focal_loss(logits, targets, self.gamma)

    def extra_repr(self) -> str:  # noqa: D102
        return f"gamma={self.gamma}"


class PolyLoss(ClassificationLoss):
    """Poly-1: cross entropy with another first coefficient of its series (Leng et al., ICLR 2022, arXiv 2204.12511).

    Cross entropy is Σ (1 − p)^j / j; here the first term counts 1 + ε times (the paper's section 4). Of a target that
    is a mixture of labels it is the expectation, as in the paper's code.

    Args:
        epsilon: ε, −1 or more: above 0 it pushes towards sure predictions, below 0 away from them; 0 is cross entropy.

    Raises:
        ValueError: `epsilon` is out of range.
    """

    def __init__(self, epsilon: float = 2.0) -> None:
        super().__init__()
        if not -1 <= epsilon < float("inf"):
            raise ValueError(f"PolyLoss: epsilon {epsilon} must be -1 or more")
        self.epsilon = epsilon

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:  # noqa: D102
        return poly_loss(logits, targets, self.epsilon)

    def extra_repr(self) -> str:  # noqa: D102
        return f"epsilon={self.epsilon}"
