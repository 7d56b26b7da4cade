"""Losses that weight easy and hard samples differently: focal loss and Poly-1."""

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.checks import check_coefficient
from models.losses.classification_loss import ClassificationLoss, expected_loss, log_probabilities


def focal_loss(logits: Tensor, targets: Tensor, gamma: float) -> Tensor:
    """Return −(1 − p)^γ log p for the label's probability p; for soft targets, the expected loss.

    Args:
        logits: (N, C).
        targets: Labels (N,), int64, or class probabilities (N, C).
        gamma: γ, 0 or more.
    """
    log_p = log_probabilities(logits)
    # At 0 a power below 1 has an infinite slope, which would make the gradient of a certain prediction NaN.
    rest = torch.expm1(log_p).neg().clamp_min(torch.finfo(log_p.dtype).tiny)
    return expected_loss(-(rest**gamma) * log_p, targets)


def poly_loss(logits: Tensor, targets: Tensor, epsilon: float) -> Tensor:
    """Return −log p + ε(1 − p) for the label's probability p; for soft targets, the expected loss.

    Args:
        logits: (N, C).
        targets: Labels (N,), int64, or class probabilities (N, C).
        epsilon: ε, −1 or more.
    """
    log_p = log_probabilities(logits)
    return expected_loss(-log_p - epsilon * torch.expm1(log_p), targets)


class FocalLoss(ClassificationLoss):
    """Cross entropy that gives well-classified samples little weight (Lin et al., ICCV 2017, arXiv 1708.02002, eq. 4).

    The paper's p is a sigmoid; here it is the softmax's, and there is no class weight α. For soft targets it is the
    expected loss.

    Args:
        gamma: γ, 0 or more: the higher, the less weight; 0 is cross entropy.

    Raises:
        ValueError: `gamma` is out of range.
    """

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__()
        check_coefficient("FocalLoss", gamma=gamma)
        self.gamma = gamma

    @override
    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        return focal_loss(logits, targets, self.gamma)

    @override
    def extra_repr(self) -> str:
        return f"gamma={self.gamma}"


class PolyLoss(ClassificationLoss):
    """Poly-1: cross entropy with a different first polynomial coefficient (Leng et al., ICLR 2022, arXiv 2204.12511).

    Cross entropy is Σ (1 − p)^j / j; here the first coefficient is 1 + ε (the paper's section 4). For soft targets it
    is the expected loss, as in the paper's code.

    Args:
        epsilon: ε, −1 or more: above 0 it favours confident predictions, below 0 it discourages them; 0 is cross
            entropy.

    Raises:
        ValueError: `epsilon` is out of range.
    """

    def __init__(self, epsilon: float = 2.0) -> None:
        super().__init__()
        if not -1 <= epsilon < float("inf"):
            raise ValueError(f"PolyLoss: epsilon {epsilon} is below -1 or infinite")
        self.epsilon = epsilon

    @override
    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        return poly_loss(logits, targets, self.epsilon)

    @override
    def extra_repr(self) -> str:
        return f"epsilon={self.epsilon}"
