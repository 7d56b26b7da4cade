"""DisturbValue and DisturbError: DisturbLabel for regression (Kim et al., arXiv 2110.05003, section 3)."""

import torch
from torch import Tensor

from models.regularizers.base import Regularizer, check_percentage
from models.regularizers.disturb_label import draw_chosen


def add_noise(targets: Tensor, chosen: Tensor, std: float) -> Tensor:
    """Add Gaussian noise to chosen samples' targets.

    Args:
        targets: (N, outputs).
        chosen: (N,), bool.
        std: Standard deviation of the noise, in the targets' unit.
    """
    return torch.where(chosen.unsqueeze(1), targets + std * torch.randn_like(targets), targets)


class DisturbValue(Regularizer):
    """Adds noise to the targets of some samples, others each time.

    Args:
        alpha: Share of the samples in percent, in [0, 100].
        std: Standard deviation of the noise, above 0, as a share of the targets' own over the training part.

    Raises:
        ValueError: An argument is out of range.
    """

    applies_to = "values"
    strength = "alpha"
    keeps_inputs = True

    def __init__(self, alpha: float = 10.0, std: float = 0.5) -> None:
        super().__init__()
        _check(self, alpha, std=std)
        self.alpha = alpha
        self.std = std

    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        if self.alpha == 0:
            return inputs, targets
        chosen = draw_chosen(targets, self.alpha / 100)
        return inputs, add_noise(targets, chosen, self.std)


class DisturbError(Regularizer):
    """Adds noise to the targets of samples that the network predicts closely already, so that they are not fitted on.

    Args:
        alpha: Share of those samples in percent, in [0, 100].
        threshold: Largest absolute error, the mean over the outputs, that counts as close; above 0, as a share of
            the targets' standard deviation over the training part.
        std: Standard deviation of the noise, above 0, likewise.

    Raises:
        ValueError: An argument is out of range.
    """

    applies_to = "values"
    strength = "alpha"
    keeps_inputs = True

    def __init__(self, alpha: float = 10.0, threshold: float = 0.1, std: float = 0.5) -> None:
        super().__init__()
        _check(self, alpha, threshold=threshold, std=std)
        self.alpha = alpha
        self.threshold = threshold
        self.std = std

    def revise(self, outputs: Tensor, targets: Tensor) -> Tensor:  # noqa: D102
        if self.alpha == 0:
            return targets
        close = (outputs - targets).abs().mean(-1) <= self.threshold
        chosen = close & draw_chosen(targets, self.alpha / 100)
        return add_noise(targets, chosen, self.std)


def _check(regularizer: Regularizer, alpha: float, **sizes: float) -> None:
    name = type(regularizer).__name__
    check_percentage(name, "alpha", alpha)
    for argument, size in sizes.items():
        if not 0 < size < float("inf"):
            raise ValueError(f"{name}: {argument} {size} is not a number above 0")
