"""Penalties on the size of weights: L1, L2 and both (Zou & Hastie's elastic net, 2005)."""

from typing import Any

import torch
from torch import Tensor

from models.regularizers.base import check_fraction
from models.regularizers.weight_penalty import WeightPenalty


class _ElasticNet(torch.autograd.Function):
    """Σ λ₁|w| + λ₂w²/2, with its gradient λ₁ sign(w) + λ₂w: autograd goes through the weights twice as often for it."""

    @staticmethod
    def forward(ctx: Any, l1: float, l2: float, *weights: Tensor) -> Tensor:
        ctx.save_for_backward(*weights)
        ctx.l1, ctx.l2 = l1, l2
        total = torch.zeros((), device=weights[0].device)
        if l1:
            total = total + l1 * torch.stack(torch._foreach_norm(weights, 1)).float().sum()
        if l2:
            total = total + l2 / 2 * torch.stack(torch._foreach_norm(weights, 2)).float().square().sum()
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        weights, gradient = ctx.saved_tensors, gradients[0]
        if not ctx.l1:
            return None, None, *torch._foreach_mul(weights, gradient * ctx.l2)
        slopes = torch._foreach_sign(weights)
        if ctx.l2:
            torch._foreach_add_(slopes, weights, alpha=ctx.l2 / ctx.l1)
        torch._foreach_mul_(slopes, gradient * ctx.l1)
        return None, None, *slopes


def elastic_net(weights: list[Tensor], l1: float, l2: float) -> Tensor:
    """Return l1 · Σ|w| + l2/2 · Σw² over all weights, a scalar, float32.

    Args:
        weights: Tensors of any shapes, one or more, on one device.
        l1: Coefficient of the absolute values, 0 or more.
        l2: Coefficient of half of the squares, 0 or more.
    """
    total: Tensor = _ElasticNet.apply(l1, l2, *weights)  # type: ignore[no-untyped-call]
    return total


class L1(WeightPenalty):
    """Adds λ Σ|w| to the loss, which draws weights to exactly 0 (Tibshirani's lasso, 1996).

    Args:
        coefficient: λ, 0 or more.
        pattern: Only weights in whose name this regular expression is found; by default all trainable ones. Biases and
            norms are spared.

    Raises:
        ValueError: An argument is out of range, or `pattern` no regular expression.
    """

    def __init__(self, coefficient: float = 1e-5, pattern: str | None = None) -> None:
        super().__init__(coefficient, pattern)

    def penalize(self, weights: list[Tensor]) -> Tensor:  # noqa: D102
        return elastic_net(weights, self.coefficient, 0)


class L2(WeightPenalty):
    """Adds λ/2 · Σw² to the loss: its gradient is λw, as of SGD's `weight_decay` λ.

    In SGD the two are one. In Adam this equals Adam's own `weight_decay`, coupled, and differs from AdamW's, decoupled,
    which is not scaled by the gradients' size (Loshchilov & Hutter, ICLR 2019). As a loss term it can act on some
    weights alone, and in time (`Scheduled`).

    Args:
        coefficient: λ, 0 or more.
        pattern: Only weights in whose name this regular expression is found; by default all trainable ones. Biases and
            norms are spared.

    Raises:
        ValueError: An argument is out of range, or `pattern` no regular expression.
    """

    def __init__(self, coefficient: float = 5e-4, pattern: str | None = None) -> None:
        super().__init__(coefficient, pattern)

    def penalize(self, weights: list[Tensor]) -> Tensor:  # noqa: D102
        return elastic_net(weights, 0, self.coefficient)


class ElasticNet(WeightPenalty):
    """Adds λ (ρ Σ|w| + (1 − ρ)/2 · Σw²) to the loss, in scikit-learn's parametrisation.

    Args:
        coefficient: λ, 0 or more.
        l1_ratio: ρ, in [0, 1]: 1 is `L1`, 0 is `L2`.
        pattern: Only weights in whose name this regular expression is found; by default all trainable ones. Biases and
            norms are spared.

    Raises:
        ValueError: An argument is out of range, or `pattern` no regular expression.
    """

    def __init__(self, coefficient: float = 1e-4, l1_ratio: float = 0.5, pattern: str | None = None) -> None:
        super().__init__(coefficient, pattern)
        check_fraction("ElasticNet", "l1_ratio", l1_ratio)
        self.l1_ratio = l1_ratio

    def penalize(self, weights: list[Tensor]) -> Tensor:  # noqa: D102
        return elastic_net(weights, self.coefficient * self.l1_ratio, self.coefficient * (1 - self.l1_ratio))
