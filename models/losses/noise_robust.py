"""Losses for labels of which some are wrong: bounded, so that no sample can pull without end."""

import torch
import torch.nn.functional as F
from torch import Tensor

from models.losses.classification_loss import ClassificationLoss, expected_loss, log_probabilities


def generalized_cross_entropy(logits: Tensor, targets: Tensor, q: float) -> Tensor:
    """Return (1 − p^q) / q of the label's probability p; of a mixture of labels, the expectation.

    Args:
        logits: (N, C).
        targets: Labels (N,), int64, or class probabilities (N, C).
        q: In (0, 1].
    """
    return expected_loss(torch.expm1(q * log_probabilities(logits)) / -q, targets)


def symmetric_cross_entropy(logits: Tensor, targets: Tensor, alpha: float, beta: float, log_zero: float) -> Tensor:
    """Return α · cross entropy + β · reverse cross entropy, −Σ p log t over the classes; the latter takes t as given.

    Args:
        logits: (N, C).
        targets: Labels (N,), int64, or class probabilities (N, C), t.
        alpha: α, 0 or more.
        beta: β, 0 or more.
        log_zero: A, less than 0: what the logarithm of a target is at least.
    """
    log_p = log_probabilities(logits)
    t = targets if targets.is_floating_point() else F.one_hot(targets, logits.shape[-1])
    reverse = -(log_p.exp() * t.detach().to(log_p.dtype).log().clamp_min(log_zero)).sum(-1).mean()
    return alpha * expected_loss(-log_p, targets) + beta * reverse


def probability_mae(logits: Tensor, targets: Tensor) -> Tensor:
    """Return 2 (1 − p) of the label's probability p, Σ |t − p| over the classes; of a mixture, the expectation.

    Args:
        logits: (N, C).
        targets: Labels (N,), int64, or class probabilities (N, C).
    """
    return expected_loss(-2 * torch.expm1(log_probabilities(logits)), targets)


class GeneralizedCrossEntropy(ClassificationLoss):
    """Between cross entropy and the absolute error (Zhang & Sabuncu, NeurIPS 2018, arXiv 1805.07836, eq. 6).

    The paper's plain L_q, without its truncation. Of a target that is a mixture of labels it is the expectation.

    Args:
        q: In (0, 1]: near 0 it is cross entropy, at 1 half of `ProbabilityMAE`; the paper's is 0.7.

    Raises:
        ValueError: `q` is out of range.
    """

    def __init__(self, q: float = 0.7) -> None:
        super().__init__()
        if not 0 < q <= 1:
            raise ValueError(f"GeneralizedCrossEntropy: q {q} is not in (0, 1]; near 0 it is torch's CrossEntropyLoss")
        self.q = q

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:  # noqa: D102
        return generalized_cross_entropy(logits, targets, self.q)

    def extra_repr(self) -> str:  # noqa: D102
        return f"q={self.q}"


class SymmetricCrossEntropy(ClassificationLoss):
    """Cross entropy and its reverse, which wrong labels do not pull (Wang et al., ICCV 2019, arXiv 1908.06112).

    The reverse is the paper's −Σ p log t also where t is a mixture of labels, not an expectation: a class that the
    target gives a share weighs less the larger the share.

    Args:
        alpha: α, 0 or more, of cross entropy.
        beta: β, 0 or more, of the reverse; one of the two must be above 0.
        log_zero: A, less than 0, which stands for log 0 (the authors' code has log 10⁻⁴, −9.2).

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(self, alpha: float = 0.1, beta: float = 1.0, log_zero: float = -4.0) -> None:
        super().__init__()
        if not (alpha >= 0 and beta >= 0 and 0 < alpha + beta < float("inf")):
            raise ValueError(f"SymmetricCrossEntropy: {alpha=} and {beta=} must be 0 or more, and one of them above 0")
        if not -float("inf") < log_zero < 0:
            raise ValueError(f"SymmetricCrossEntropy: log_zero {log_zero} must be less than 0")
        self.alpha = alpha
        self.beta = beta
        self.log_zero = log_zero

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:  # noqa: D102
        return symmetric_cross_entropy(logits, targets, self.alpha, self.beta, self.log_zero)

    def extra_repr(self) -> str:  # noqa: D102
        return f"alpha={self.alpha}, beta={self.beta}, log_zero={self.log_zero}"


class ProbabilityMAE(ClassificationLoss):
    """Mean absolute error of the class probabilities (Ghosh et al., AAAI 2017, arXiv 1712.09482).

    Over all labels it sums to the same whatever is predicted, for which reason evenly wrong labels do not move its
    minimum. Of a target that is a mixture of labels it is the expectation, which has that property, and not Σ |t − p|,
    which has not. It learns slowly, more so the more classes there are.
    """

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:  # noqa: D102
        return probability_mae(logits, targets)
