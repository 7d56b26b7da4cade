"""Losses that depend on the number of training samples of each class."""

from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from datamodules.checks import check_coefficient, check_fraction
from models.errors import TrainingError
from models.losses.classification_loss import ClassificationLoss, expected_loss, log_probabilities


class ClassCountLoss(ClassificationLoss, ABC):
    """Base class of losses that get the number of training samples of each class before training begins."""

    @abstractmethod
    def set_class_counts(self, counts: Tensor) -> None:
        """Set the number of training samples of each class, (C,)."""

    def count_classes(self, datamodule: Any, device: torch.device) -> None:
        """Take the counts from a datamodule.

        Raises:
            TrainingError: It has none.
        """
        counts = getattr(datamodule, "class_counts", None)
        if counts is None:
            raise TrainingError(f"loss: {type(self).__name__} needs a datamodule that has class_counts")
        self.set_class_counts(torch.tensor(counts, device=device))


class BalancedCrossEntropy(ClassCountLoss, nn.CrossEntropyLoss):
    """Cross entropy in which every class has the same weight: samples weigh N / (C · samples of their class).

    Args:
        label_smoothing: That of torch's cross entropy, in [0, 1].
    """

    weight: Tensor | None

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__(label_smoothing=label_smoothing)
        # Not in checkpoints: it follows from the data, and evaluation does not need it.
        self.register_buffer("weight", None, persistent=False)

    def set_class_counts(self, counts: Tensor) -> None:
        """Set the classes' weights; a class without samples gets 0."""
        weight = counts.sum() / (len(counts) * counts.clamp_min(1))
        self.weight = torch.where(counts > 0, weight, torch.zeros_like(weight)).float()


def class_balanced_weights(counts: Tensor, beta: float) -> Tensor:
    """Return each class's weight, (C,), float32: its inverse effective number of samples, (1 − β) / (1 − β^n).

    Args:
        counts: n, the number of samples of each class, (C,); a class without samples gets weight 0.
        beta: β, in [0, 1): 0 gives all classes the same weight; towards 1 the weight approaches 1/n.

    Returns:
        Weights whose mean over the classes that have samples is 1.
    """
    present = counts > 0
    effective = 1 - beta ** counts.cpu().double()
    weights = torch.where(present.cpu(), 1 / effective, 0.0)
    return (weights * present.sum().cpu() / weights.sum()).float().to(counts.device)


def adjust_logits(logits: Tensor, counts: Tensor, tau: float) -> Tensor:
    """Add τ · log π to logits, where π is each class's frequency.

    Args:
        logits: (N, C).
        counts: Number of samples of each class, (C,); a class without samples counts as having one.
        tau: τ, 0 or more.

    Returns:
        (N, C), in single precision or better.
    """
    counts = counts.clamp_min(1)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return logits + tau * (counts / counts.sum()).log().to(logits.dtype)


class ClassBalancedCrossEntropy(ClassCountLoss):
    """Cross entropy weighted by the inverse effective number of a class (Cui et al., CVPR 2019, arXiv 1901.05555).

    Equation 12, with the paper's normalisation: the mean weight over the classes is 1, and the loss is divided by the
    batch size, not by the sum of the weights as in torch. For soft targets it is the expected loss.

    Args:
        beta: β, in [0, 1): 0 is cross entropy; the paper's are 0.9, 0.99, 0.999 and 0.9999. Each further sample
            of a class adds less to its effective number, by this factor.

    Raises:
        ValueError: `beta` is out of range.
    """

    weight: Tensor | None

    def __init__(self, beta: float = 0.999) -> None:
        super().__init__()
        check_fraction("ClassBalancedCrossEntropy", below_one=True, beta=beta)
        self.beta = beta
        self.register_buffer("weight", None, persistent=False)

    @override
    def set_class_counts(self, counts: Tensor) -> None:
        self.weight = class_balanced_weights(counts, self.beta)

    @override
    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        if self.weight is None:
            raise ValueError("ClassBalancedCrossEntropy: call set_class_counts first (a Classifier's fit does)")
        return expected_loss(-log_probabilities(logits) * self.weight, targets)

    @override
    def extra_repr(self) -> str:
        return f"beta={self.beta}"


class LogitAdjustedCrossEntropy(ClassCountLoss):
    """Cross entropy of logits plus the log of the class frequencies (Menon et al., ICLR 2021, arXiv 2007.07314).

    Equation 10. After this training the plain logits, which evaluation and prediction use, are those for balanced
    classes. For soft targets it is the expected loss.

    Args:
        tau: τ, 0 or more; 0 is cross entropy; 1, the paper's, is consistent for the balanced error.

    Raises:
        ValueError: `tau` is out of range.
    """

    counts: Tensor | None

    def __init__(self, tau: float = 1.0) -> None:
        super().__init__()
        check_coefficient("LogitAdjustedCrossEntropy", tau=tau)
        self.tau = tau
        self.register_buffer("counts", None, persistent=False)

    @override
    def set_class_counts(self, counts: Tensor) -> None:
        self.counts = counts

    @override
    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        if self.counts is None:
            raise ValueError("LogitAdjustedCrossEntropy: call set_class_counts first (a Classifier's fit does)")
        return F.cross_entropy(adjust_logits(logits, self.counts, self.tau), targets)

    @override
    def extra_repr(self) -> str:
        return f"tau={self.tau}"
