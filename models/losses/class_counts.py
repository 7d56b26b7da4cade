"""Losses that know how often each class occurs."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.losses.classification_loss import ClassificationLoss, expected_loss, log_probabilities


class ClassCountLoss(ClassificationLoss):
    """A loss that is told how often each class occurs in the training part, before training begins."""

    def set_class_counts(self, counts: Tensor) -> None:
        """Take the number of training samples of each class, (C,)."""
        raise NotImplementedError


class BalancedCrossEntropy(ClassCountLoss, nn.CrossEntropyLoss):
    """Cross entropy in which every class weighs the same: samples are weighted by N / (C · samples of their class).

    Args:
        label_smoothing: As torch's cross entropy takes it, in [0, 1].
    """

    weight: Tensor | None

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__(label_smoothing=label_smoothing)
        # Not in checkpoints: it follows from the data, and an evaluation needs none.
        self.register_buffer("weight", None, persistent=False)

    def set_class_counts(self, counts: Tensor) -> None:
        """Weight the classes; one without samples gets no weight."""
        weight = counts.sum() / (len(counts) * counts.clamp_min(1))
        self.weight = torch.where(counts > 0, weight, torch.zeros_like(weight)).float()


def class_balanced_weights(counts: Tensor, beta: float) -> Tensor:
    """Return a weight for each class, (C,), float32: the inverse of its effective number, (1 − β) / (1 − β^n).

    Args:
        counts: n, the number of samples of each class, (C,); a class without samples gets no weight.
        beta: β, in [0, 1): 0 weights all classes alike; the nearer to 1, the nearer to the inverse of n.

    Returns:
        Weights whose mean over the classes that have samples is 1.
    """
    there = counts > 0
    effective = 1 - beta ** counts.cpu().double()
    weights = torch.where(there.cpu(), 1 / effective, 0.0)
    return (weights * there.sum().cpu() / weights.sum()).float().to(counts.device)


def adjust_logits(logits: Tensor, counts: Tensor, tau: float) -> Tensor:
    """Add τ · log π to logits, π being each class's share of the samples.

    Args:
        logits: (N, C).
        counts: Number of samples of each class, (C,); a class without samples counts as one with one.
        tau: τ, 0 or more.

    Returns:
        (N, C), in single precision or better.
    """
    counts = counts.clamp_min(1)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return logits + tau * (counts / counts.sum()).log().to(logits.dtype)


class ClassBalancedCrossEntropy(ClassCountLoss):
    """Cross entropy weighted by the inverse effective number of a class (Cui et al., CVPR 2019, arXiv 1901.05555).

    Equation 12, with the paper's normalisation: weights are 1 in the mean over the classes, and the loss is divided by
    the size of the batch, not by the sum of its weights as torch does it. Of a target that is a mixture of labels it is
    the expectation.

    Args:
        beta: β, in [0, 1): 0 is cross entropy; the paper's are 0.9, 0.99, 0.999 and 0.9999. What a sample adds to its
            class falls by this factor with each one that is there.

    Raises:
        ValueError: `beta` is out of range.
    """

    weight: Tensor | None

    def __init__(self, beta: float = 0.999) -> None:
        super().__init__()
        if not 0 <= beta < 1:
            raise ValueError(f"ClassBalancedCrossEntropy: beta {beta} is not in [0, 1)")
        self.beta = beta
        self.register_buffer("weight", None, persistent=False)

    def set_class_counts(self, counts: Tensor) -> None:  # noqa: D102
        self.weight = class_balanced_weights(counts, self.beta)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:  # noqa: D102
        if self.weight is None:
            raise ValueError("ClassBalancedCrossEntropy: call set_class_counts first (a Classifier's fit does)")
        return expected_loss(-log_probabilities(logits) * self.weight, targets)

    def extra_repr(self) -> str:  # noqa: D102
        return f"beta={self.beta}"


class LogitAdjustedCrossEntropy(ClassCountLoss):
    """Cross entropy of logits with the log of the class shares added (Menon et al., ICLR 2021, arXiv 2007.07314).

    Equation 10. Trained so, the plain logits, which evaluation and prediction use, are those of balanced classes. Of a
    target that is a mixture of labels it is the expectation.

    Args:
        tau: τ, 0 or more; 0 is cross entropy, 1 the paper's, consistent for the balanced error.

    Raises:
        ValueError: `tau` is out of range.
    """

    counts: Tensor | None

    def __init__(self, tau: float = 1.0) -> None:
        super().__init__()
        if not 0 <= tau < float("inf"):
            raise ValueError(f"LogitAdjustedCrossEntropy: tau {tau} must be 0 or more")
        self.tau = tau
        self.register_buffer("counts", None, persistent=False)

    def set_class_counts(self, counts: Tensor) -> None:  # noqa: D102
        self.counts = counts

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:  # noqa: D102
        if self.counts is None:
            raise ValueError("LogitAdjustedCrossEntropy: call set_class_counts first (a Classifier's fit does)")
        return F.cross_entropy(adjust_logits(logits, self.counts, self.tau), targets)

    def extra_repr(self) -> str:  # noqa: D102
        return f"tau={self.tau}"
