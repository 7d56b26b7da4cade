"""Losses for noisy labels: bounded, so that a wrong label has a bounded effect."""

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from datamodules.checks import check_coefficient, check_fraction
from models.losses.classification_loss import ClassificationLoss, expected_loss, log_probabilities


def generalized_cross_entropy(logits: Tensor, targets: Tensor, q: float) -> Tensor:
    """Return (1 − p^q) / q for the label's probability p; for soft targets, the expected loss.

    Args:
        logits: (N, C).
        targets: Labels (N,), int64, or class probabilities (N, C).
        q: In (0, 1].
    """
    return expected_loss(torch.expm1(q * log_probabilities(logits)) / -q, targets)


def symmetric_cross_entropy(logits: Tensor, targets: Tensor, alpha: float, beta: float, log_zero: float) -> Tensor:
    """Return α · cross entropy + β · reverse cross entropy, −Σ p log t over the classes, with t detached.

    Args:
        logits: (N, C).
        targets: Labels (N,), int64, or class probabilities (N, C), t.
        alpha: α, 0 or more.
        beta: β, 0 or more.
        log_zero: A, below 0: lower bound of the logarithm of a target.
    """
    log_p = log_probabilities(logits)
    t = targets if targets.is_floating_point() else F.one_hot(targets, logits.shape[-1])
    reverse = -(log_p.exp() * t.detach().to(log_p.dtype).log().clamp_min(log_zero)).sum(-1).mean()
    return alpha * expected_loss(-log_p, targets) + beta * reverse


def probability_mae(logits: Tensor, targets: Tensor) -> Tensor:
    """Return 2 (1 − p) for the label's probability p, Σ |t − p| over the classes; for soft targets, the expected loss.

    Args:
        logits: (N, C).
        targets: Labels (N,), int64, or class probabilities (N, C).
    """
    return expected_loss(-2 * torch.expm1(log_probabilities(logits)), targets)


class GeneralizedCrossEntropy(ClassificationLoss):
    """Between cross entropy and the absolute error (Zhang & Sabuncu, NeurIPS 2018, arXiv 1805.07836, eq. 6).

    The paper's L_q without truncation. For soft targets it is the expected loss.

    Args:
        q: In (0, 1]: near 0 it is cross entropy (use torch's for q = 0), at 1 half of `ProbabilityMAE`; the paper's is
            0.7.

    Raises:
        ValueError: `q` is out of range.
    """

    def __init__(self, q: float = 0.7) -> None:
        super().__init__()
        check_fraction("GeneralizedCrossEntropy", above_zero=True, q=q)
        self.q = q

    @override
    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        return generalized_cross_entropy(logits, targets, self.q)

    @override
    def extra_repr(self) -> str:
        return f"q={self.q}"


class SymmetricCrossEntropy(ClassificationLoss):
    """Cross entropy plus its reverse, which tolerates wrong labels (Wang et al., ICCV 2019, arXiv 1908.06112).

    For soft targets t the reverse is still the paper's −Σ p log t, not an expected loss: the higher a class's target
    probability, the less its prediction costs.

    Args:
        alpha: α, the coefficient of cross entropy, 0 or more.
        beta: β, the coefficient of the reverse, 0 or more; one of the two must be above 0.
        log_zero: A, below 0, in place of log 0 (the authors' code has log 10⁻⁴, −9.2).

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(self, alpha: float = 0.1, beta: float = 1.0, log_zero: float = -4.0) -> None:
        super().__init__()
        check_coefficient("SymmetricCrossEntropy", alpha=alpha, beta=beta)
        if alpha == beta == 0:
            raise ValueError("SymmetricCrossEntropy: alpha and beta are both 0; set one of them above 0")
        if not -float("inf") < log_zero < 0:
            raise ValueError(f"SymmetricCrossEntropy: log_zero {log_zero} is not a finite number below 0")
        self.alpha = alpha
        self.beta = beta
        self.log_zero = log_zero

    @override
    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        return symmetric_cross_entropy(logits, targets, self.alpha, self.beta, self.log_zero)

    @override
    def extra_repr(self) -> str:
        return f"alpha={self.alpha}, beta={self.beta}, log_zero={self.log_zero}"


class ProbabilityMAE(ClassificationLoss):
    """Mean absolute error of the class probabilities (Ghosh et al., AAAI 2017, arXiv 1712.09482).

    Its sum over all labels is constant, so uniform label noise does not move its minimum. For soft targets it is the
    expected loss, which keeps this property; Σ |t − p| does not. It learns slowly, the more so the more classes there
    are.
    """

    @override
    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        return probability_mae(logits, targets)
