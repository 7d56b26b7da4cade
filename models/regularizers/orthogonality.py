"""Soft orthogonality (Bansal et al., "Can We Gain More from Orthogonality Regularizations", NeurIPS 2018)."""

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.checks import check_at_least
from models.regularizers.weight_penalties import WeightPenalty


def orthogonality_gap(weight: Tensor, units: int | None = None) -> Tensor:
    """Return ‖WWᵀ − I‖², Frobenius, of W flattened to (out, rest), or of Wᵀ if out > rest (the paper's eq. 1 and 2).

    Args:
        weight: (out, ...).
        units: Number of rows, drawn at random, to compare with all rows, which gives an unbiased estimate for less
            work. None, or the number of rows or more, compares all and draws nothing.

    Returns:
        A scalar, float32.
    """
    with torch.autocast(weight.device.type, enabled=False):
        rows = weight.float().flatten(1)
        rows = rows if rows.shape[0] <= rows.shape[1] else rows.T
        count = len(rows)
        identity = torch.eye(count, device=rows.device)
        if units is None or units >= count:
            return (rows @ rows.T - identity).square().sum()
        drawn = torch.randperm(count, device=rows.device)[:units]
        return (rows[drawn] @ rows.T - identity[drawn]).square().sum() * (count / units)


class Orthogonality(WeightPenalty):
    """Adds λ Σ ‖WWᵀ − I‖² over the layers to the loss, which keeps a layer's units apart and their norms near 1.

    Comparing all units of a layer costs 5 to 10 % of a ResNet-18's training step with 128 small images. So each step
    compares a few, drawn anew, with all: the expectation is the same, for a fraction of the time.

    Args:
        coefficient: λ, 0 or more.
        units: Number of units of each layer that a step compares with all its units; None for all, as in the paper.
        pattern: Only weights whose name matches this regular expression anywhere; by default all trainable ones.

    Raises:
        ValueError: An argument is out of range, or `pattern` is not a regular expression.
    """

    def __init__(self, coefficient: float = 1e-4, units: int | None = 32, pattern: str | None = None) -> None:
        super().__init__(coefficient, pattern)
        if units is not None:
            check_at_least("Orthogonality", 1, units=units)
        self.units = units

    @override
    def penalize(self, weights: list[Tensor]) -> Tensor:
        return self.coefficient * torch.stack([orthogonality_gap(weight, self.units) for weight in weights]).sum()
