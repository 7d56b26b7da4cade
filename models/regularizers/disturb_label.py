"""DisturbLabel (Xie et al., "DisturbLabel: Regularizing CNN on the Loss Layer", CVPR 2016)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.regularizers.base import Regularizer, check_percentage


def draw_chosen(targets: Tensor, probability: float, generator: torch.Generator | None = None) -> Tensor:
    """Choose each sample with a probability, (N,), bool.

    Args:
        targets: (N, ...); says how many there are, and where.
        probability: In [0, 1].
        generator: Source of randomness on the targets' device; torch's own by default.
    """
    # float32 whatever trainer.precision: bfloat16 has 256 numbers to draw.
    return torch.rand(len(targets), device=targets.device, generator=generator, dtype=torch.float32) < probability


def disturb_labels(targets: Tensor, probability: float, generator: torch.Generator | None = None) -> Tensor:
    """Replace each label, with a probability, by one drawn uniformly from all classes.

    A replaced label may be drawn as itself, so it stays with probability 1 − γ(C − 1)/C (the paper's equation 1).

    Args:
        targets: Class probabilities, (N, C).
        probability: γ, the probability of a draw, in [0, 1].
        generator: Source of randomness on the targets' device; torch's own by default.

    Returns:
        Class probabilities, (N, C): a row is either untouched or one-hot.
    """
    samples, classes = targets.shape
    chosen = draw_chosen(targets, probability, generator)
    drawn = torch.randint(classes, (samples,), device=targets.device, generator=generator)
    one_hot = F.one_hot(drawn, classes).to(targets.dtype)
    return torch.where(chosen.unsqueeze(1), one_hot, targets)


def confuse_labels(targets: Tensor, probability: float, confusion: Tensor) -> Tensor:
    """Replace each label, with a probability, by one drawn from its class's row of a confusion matrix.

    Args:
        targets: Class probabilities, (N, C); a mixture draws from the same mixture of rows.
        probability: Probability of a draw, in [0, 1].
        confusion: (C, C), float; row t holds the probability that each class is drawn where t is true.

    Returns:
        Class probabilities, (N, C): a row is either untouched or one-hot.
    """
    samples, classes = targets.shape
    chosen = draw_chosen(targets, probability)
    bounds = (targets.to(confusion.dtype) @ confusion).cumsum(-1)
    uniform = torch.rand(samples, 1, device=targets.device, dtype=confusion.dtype) * bounds[:, -1:]
    drawn = (uniform >= bounds).sum(-1).clamp_max(classes - 1)
    return torch.where(chosen.unsqueeze(1), F.one_hot(drawn, classes).to(targets.dtype), targets)


class DisturbLabel(Regularizer):
    """Trains against labels of which some are wrong, afresh each time a sample is seen.

    Args:
        alpha: Noise rate in percent, in [0, 100]: γ = α/100. The paper's best are 10 (MNIST) to 20.
        confusion: C rows of C probabilities: what a label that is drawn anew is drawn from, by its class; by default
            all classes alike, as the paper has it.

    Raises:
        ValueError: `alpha` is out of range, or a row of `confusion` is no distribution.
    """

    applies_to = "classes"
    strength = "alpha"
    keeps_inputs = True

    def __init__(self, alpha: float = 10.0, confusion: list[list[float]] | None = None) -> None:
        super().__init__()
        check_percentage("DisturbLabel", "alpha", alpha)
        for number, row in enumerate(confusion or []):
            if len(row) != len(confusion or []) or not min(row) >= 0 or not abs(sum(row) - 1) <= 1e-6:
                raise ValueError(f"DisturbLabel: row {number} of confusion, {row}, is not {len(row)} shares of 1")
        self.alpha = alpha
        self.confusion = confusion
        # No buffer, which trainer.precision bf16-true would round.
        self._confusion = None if confusion is None else torch.tensor(confusion, dtype=torch.float64)

    def check(self, network: nn.Module, num_classes: int, before: Sequence[Regularizer]) -> None:
        """Refuse a single class, a confusion of other classes, and targets of samples that were mixed."""
        super().check(network, num_classes, before)
        if num_classes == 1:
            raise ValueError("DisturbLabel: there is one class, and no other to draw")
        if self.confusion is not None and len(self.confusion) != num_classes:
            raise ValueError(f"DisturbLabel: confusion has {len(self.confusion)} rows; there are {num_classes} classes")
        mixer = next((type(other).__name__ for other in before if other.mixes_samples), None)
        if mixer is not None:
            raise ValueError(f"DisturbLabel after {mixer} would put one label on a mixture: put DisturbLabel before it")

    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        if self.alpha == 0:
            return inputs, targets
        if self._confusion is None:
            return inputs, disturb_labels(targets, self.alpha / 100)
        self._confusion = self._confusion.to(targets.device)
        return inputs, confuse_labels(targets, self.alpha / 100, self._confusion)

    def extra_repr(self) -> str:  # noqa: D102
        return f"alpha={self.alpha}" + (", confusion" if self.confusion is not None else "")
