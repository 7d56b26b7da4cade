"""Soft orthogonality (Bansal et al., "Can We Gain More from Orthogonality Regularizations", NeurIPS 2018)."""

import torch
from torch import Tensor

from models.regularizers.weight_penalty import WeightPenalty


def orthogonality_gap(weight: Tensor, units: int | None = None) -> Tensor:
    """Return ‖WWᵀ − I‖², Frobenius, of W flattened to (out, rest), or of Wᵀ where out > rest (the paper's eq. 1 and 2).

    Args:
        weight: (out, ...).
        units: Number of rows, drawn at random, to compare with all rows: the result is an estimate without bias, for
            less work. None, or as many as there are: all, and nothing is drawn.

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
    """Adds λ Σ ‖WWᵀ − I‖² over the layers to the loss: the units of a layer stay apart, and none grows.

    Comparing all units of a layer costs some 5 to 10 % of a ResNet-18's training step with 128 small images. So each
    step compares some, drawn afresh, with all: on average that is the same, for a fraction of the time.

    Args:
        coefficient: λ, 0 or more.
        units: Number of units of each layer that a step compares with all of its units; None for all, as in the paper.
        pattern: Only weights in whose name this regular expression is found; by default all trainable ones.

    Raises:
        ValueError: An argument is out of range, or `pattern` no regular expression.
    """

    def __init__(self, coefficient: float = 1e-4, units: int | None = 32, pattern: str | None = None) -> None:
        super().__init__(coefficient, pattern)
        if units is not None and units < 1:
            raise ValueError(f"Orthogonality: units {units} is less than 1; null compares all")
        self.units = units

    def penalize(self, weights: list[Tensor]) -> Tensor:  # noqa: D102
        return self.coefficient * torch.stack([orthogonality_gap(weight, self.units) for weight in weights]).sum()
