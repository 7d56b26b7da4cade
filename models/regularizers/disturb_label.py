"""DisturbLabel (Xie et al., "DisturbLabel: Regularizing CNN on the Loss Layer", CVPR 2016)."""

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from typing_extensions import override

from datamodules.checks import check_percentage
from models.regularizers.base import Regularizer

DRAWS = 1 << 31  # a power of two, which torch's generators draw without bias


def choose_samples(targets: Tensor, probability: float) -> Tensor:
    """Choose each sample with a probability.

    Args:
        targets: (N, ...), for the number of samples and the device.
        probability: In [0, 1].

    Returns:
        (N,), bool.
    """
    chosen = torch.empty(len(targets), dtype=torch.bool, device=targets.device)
    return chosen.bernoulli_(probability)


def disturb_labels(targets: Tensor, probability: float, classes: int) -> Tensor:
    """Replace each label, with a probability, by one drawn uniformly from all classes.

    The label itself may be drawn, so a label stays with probability 1 − γ(C − 1)/C (the paper's equation 1). γ is kept
    to within C/2³¹.

    Args:
        targets: Labels (N,), int64, or class probabilities (N, C).
        probability: γ, the probability of a draw, in [0, 1].
        classes: C.

    Returns:
        As the targets; a row of class probabilities is either unchanged or one-hot.
    """
    soft = targets.is_floating_point()
    if not soft and targets.dtype != torch.int64:
        targets = targets.long()
    drawn = targets.new_empty(targets.shape[0], dtype=torch.int64) if soft else torch.empty_like(targets)
    drawn.random_(DRAWS)
    bound, modulus = _constants(probability, classes)
    # One draw says both whether to replace a label and by which, as the bound is a multiple of the classes.
    chosen = drawn < bound
    drawn.fmod_(modulus)
    return _replace_rows(targets, chosen, drawn) if soft else torch.where(chosen, drawn, targets, out=drawn)


@functools.lru_cache
def _constants(probability: float, classes: int) -> tuple[Tensor, Tensor]:
    # Tensors, as torch would wrap a number anew at each call: a third of the time for a small batch.
    bound = math.ceil(probability * DRAWS / classes) * classes
    return torch.tensor(bound, device="cpu"), torch.tensor(classes, device="cpu")


def _replace_rows(targets: Tensor, chosen: Tensor, drawn: Tensor) -> Tensor:
    one_hot = torch.zeros_like(targets).scatter_(1, drawn.unsqueeze(1), 1)
    return torch.where(chosen.unsqueeze(1), one_hot, targets)


def confuse_labels(targets: Tensor, probability: float, confusion: Tensor) -> Tensor:
    """Replace each label, with a probability, by one drawn from its class's row of a confusion matrix.

    Args:
        targets: Labels (N,), int64, or class probabilities (N, C), which draw from the same mixture of rows.
        probability: Probability of a draw, in [0, 1].
        confusion: (C, C), float; row t holds the probability of drawing each class if t is true.

    Returns:
        As the targets; a row of class probabilities is either unchanged or one-hot.
    """
    chosen = choose_samples(targets, probability)
    soft = targets.is_floating_point()
    bounds = (targets.to(confusion.dtype) @ confusion if soft else confusion[targets]).cumsum(-1)
    uniform = torch.rand(len(targets), 1, device=targets.device, dtype=confusion.dtype) * bounds[:, -1:]
    drawn = (uniform >= bounds).sum(-1).clamp_max(len(confusion) - 1)
    return _replace_rows(targets, chosen, drawn) if soft else torch.where(chosen, drawn, targets)


class DisturbLabel(Regularizer):
    """Replaces some labels by random ones, anew each time a sample is seen.

    Args:
        alpha: Noise rate as a percentage, in [0, 100]: γ = α/100. The paper's best are 10 (MNIST) to 20.
        confusion: C rows of C probabilities: row t is the distribution of new labels for class t. Uniform over all
            classes by default, as in the paper.

    Raises:
        ValueError: `alpha` is out of range, or a row of `confusion` is not a distribution.
    """

    applies_to = ("classes",)
    strength = "alpha"
    takes_labels = True
    keeps_inputs = True

    def __init__(self, alpha: float = 10.0, confusion: list[list[float]] | None = None) -> None:
        super().__init__()
        check_percentage("DisturbLabel", alpha=alpha)
        for number, row in enumerate(confusion or []):
            if len(row) != len(confusion or []) or not min(row) >= 0 or not abs(sum(row) - 1) <= 1e-6:
                raise ValueError(
                    f"DisturbLabel: row {number} of confusion, {row}, is not a distribution over "
                    f"{len(confusion or [])} classes"
                )
        self.alpha = alpha
        self.confusion = confusion
        self._classes = 0
        # Not a buffer: trainer.precision bf16-true would round it.
        self._confusion = None if confusion is None else torch.tensor(confusion, dtype=torch.float64)

    @override
    def setup(self, network: nn.Module, num_classes: int, before: Sequence[Regularizer]) -> None:
        super().setup(network, num_classes, before)
        self._classes = num_classes
        if num_classes == 1:
            raise ValueError("DisturbLabel: there is one class, and no other to draw")
        if self.confusion is not None and len(self.confusion) != num_classes:
            raise ValueError(f"DisturbLabel: confusion has {len(self.confusion)} rows; there are {num_classes} classes")
        for other in before:
            if other.mixes_samples:
                raise ValueError(
                    f"DisturbLabel after {type(other).__name__} would put one label on mixed samples: put DisturbLabel "
                    f"before it"
                )

    @override
    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if self.alpha == 0:
            return inputs, targets
        if self._confusion is None:
            classes = targets.shape[-1] if targets.is_floating_point() else self._classes
            return inputs, disturb_labels(targets, self.alpha / 100, classes)
        self._confusion = self._confusion.to(targets.device)
        return inputs, confuse_labels(targets, self.alpha / 100, self._confusion)
