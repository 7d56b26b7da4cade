"""DisturbLabel (Xie et al., "DisturbLabel: Regularizing CNN on the Loss Layer", CVPR 2016)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.regularizers.base import Regularizer


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
    chosen = torch.rand(samples, device=targets.device, generator=generator) < probability
    drawn = torch.randint(classes, (samples,), device=targets.device, generator=generator)
    one_hot = torch.nn.functional.one_hot(drawn, classes).to(targets.dtype)
    return torch.where(chosen.unsqueeze(1), one_hot, targets)


class DisturbLabel(Regularizer):
    """Trains against labels of which some are wrong, afresh each time a sample is seen.

    Args:
        alpha: Noise rate in percent, in [0, 100]: γ = α/100. The paper's best are 10 (MNIST) to 20.

    Raises:
        ValueError: `alpha` is out of range.
    """

    applies_to = "classes"
    strength = "alpha"
    keeps_inputs = True

    def __init__(self, alpha: float = 10.0) -> None:
        super().__init__()
        if not 0 <= alpha <= 100:
            raise ValueError(f"DisturbLabel: alpha {alpha} is not in [0, 100] (it is a percentage)")
        self.alpha = alpha

    def check(self, network: nn.Module, num_classes: int, before: Sequence[Regularizer]) -> None:
        """Refuse a single class, and targets of samples that were mixed."""
        super().check(network, num_classes, before)
        if num_classes == 1:
            raise ValueError("DisturbLabel: there is one class, and no other to draw")
        mixer = next((type(other).__name__ for other in before if other.mixes_samples), None)
        if mixer is not None:
            raise ValueError(f"DisturbLabel after {mixer} would put one label on a mixture: put DisturbLabel before it")

    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        if self.alpha == 0:
            return inputs, targets
        return inputs, disturb_labels(targets, self.alpha / 100)

    def extra_repr(self) -> str:  # noqa: D102
        return f"alpha={self.alpha}"
