"""DisturbValue and DisturbError: DisturbLabel for regression (Kim et al., arXiv 2110.05003, section 3)."""

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.checks import check_percentage, check_positive
from models.regularizers.base import Regularizer
from models.regularizers.disturb_label import choose_samples


def add_noise(targets: Tensor, chosen: Tensor, std: float) -> Tensor:
    """Add Gaussian noise to the targets of chosen samples.

    Args:
        targets: (N, outputs).
        chosen: (N,), bool.
        std: Standard deviation of the noise, in the targets' unit.
    """
    return torch.where(chosen.unsqueeze(1), targets + std * torch.randn_like(targets), targets)


class DisturbValue(Regularizer):
    """Adds noise to the targets of some samples, drawn anew for each batch.

    Args:
        alpha: Percentage of the samples, in [0, 100].
        std: Standard deviation of the noise, above 0, as a fraction of the targets' own over the training part.

    Raises:
        ValueError: An argument is out of range.
    """

    applies_to = ("values",)
    strength = "alpha"
    keeps_inputs = True

    def __init__(self, alpha: float = 10.0, std: float = 0.5) -> None:
        super().__init__()
        check_percentage("DisturbValue", alpha=alpha)
        check_positive("DisturbValue", std=std)
        self.alpha = alpha
        self.std = std

    @override
    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if self.alpha == 0:
            return inputs, targets
        chosen = choose_samples(targets, self.alpha / 100)
        return inputs, add_noise(targets, chosen, self.std)


class DisturbError(Regularizer):
    """Adds noise to the targets of samples that the network already predicts closely.

    Args:
        alpha: Percentage of those samples, in [0, 100].
        threshold: Largest absolute error, the mean over the outputs, that counts as close; above 0, as a fraction of
            the targets' standard deviation over the training part.
        std: Standard deviation of the noise, above 0, as a fraction of the targets' own over the training part.

    Raises:
        ValueError: An argument is out of range.
    """

    applies_to = ("values",)
    strength = "alpha"
    keeps_inputs = True

    def __init__(self, alpha: float = 10.0, threshold: float = 0.1, std: float = 0.5) -> None:
        super().__init__()
        check_percentage("DisturbError", alpha=alpha)
        check_positive("DisturbError", threshold=threshold, std=std)
        self.alpha = alpha
        self.threshold = threshold
        self.std = std

    @override
    def revise(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if self.alpha == 0:
            return targets
        close = (outputs - targets).abs().mean(-1) <= self.threshold
        chosen = close & choose_samples(targets, self.alpha / 100)
        return add_noise(targets, chosen, self.std)
