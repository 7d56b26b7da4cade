"""Regularizers that act on a network's weights; penalties on their size: L1, L2 and elastic net."""

import re
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from datamodules.checks import check_coefficient, check_fraction
from models.networks.weights import named_weights
from models.regularizers.base import Regularizer, Step


def matching_weights(network: nn.Module, pattern: str | None = None, frozen: bool = False) -> dict[str, nn.Parameter]:
    """Return a network's weights by name; see `is_weight`.

    Args:
        network: The network.
        pattern: Only weights whose name, like `layer4.0.conv1.weight`, matches this regular expression anywhere.
        frozen: Return frozen weights too.
    """
    return {
        name: weight
        for name, weight in named_weights(network)
        if (frozen or weight.requires_grad) and re.search(pattern or "", name)
    }


class WeightRegularizer(Regularizer):
    """Base class of regularizers that act on the trainable weights of the network, or some of them.

    Args:
        pattern: Only weights whose name matches this regular expression anywhere.

    Raises:
        ValueError: `pattern` is not a regular expression.
    """

    keeps_inputs = True

    def __init__(self, pattern: str | None = None) -> None:
        super().__init__()
        try:
            re.compile(pattern or "")
        except re.error as error:
            name = type(self).__name__
            raise ValueError(f"{name}: pattern {pattern!r} is not a regular expression: {error}") from error
        self.pattern = pattern

    @override
    def setup(self, network: nn.Module, num_classes: int, before: Sequence[Regularizer]) -> None:
        super().setup(network, num_classes, before)
        name = type(self).__name__
        found = matching_weights(network, self.pattern, frozen=True)
        if not found:
            names = list(matching_weights(network, frozen=True))
            shown = names if len(names) <= 4 else [*names[:2], "...", *names[-2:]]
            raise ValueError(f"{name}: no weight's name matches {self.pattern!r}; there are {', '.join(shown)}")
        if not any(weight.requires_grad for weight in found.values()):
            warnings.warn(f"{name}: all its weights are frozen; it acts once they are not", stacklevel=2)


class WeightPenalty(WeightRegularizer):
    """Base class of regularizers that add λ times a measure of the weights to the loss.

    Args:
        coefficient: λ, 0 or more.
        pattern: Only weights whose name matches this regular expression anywhere.

    Raises:
        ValueError: `coefficient` is out of range, or `pattern` is not a regular expression.
    """

    strength = "coefficient"

    def __init__(self, coefficient: float, pattern: str | None = None) -> None:
        super().__init__(pattern)
        check_coefficient(type(self).__name__, coefficient=coefficient)
        self.coefficient = coefficient

    @override
    def penalty(self, step: Step) -> Tensor | None:
        weights = matching_weights(step.network, self.pattern)
        return self.penalize(list(weights.values())) if self.coefficient and weights else None

    def penalize(self, weights: list[Tensor]) -> Tensor:
        """Return the penalty on these weights, one or more, including λ: a scalar."""
        raise NotImplementedError


class _ElasticNet(torch.autograd.Function):
    """Σ λ₁|w| + λ₂w²/2 and its gradient λ₁ sign(w) + λ₂w; autograd's own passes through the weights twice as often."""

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
    """Return l1 · Σ|w| + l2/2 · Σw² over all weights, a scalar, float32 (Zou & Hastie, 2005).

    Args:
        weights: Tensors of any shapes, one or more, on one device.
        l1: Coefficient of the absolute values, 0 or more.
        l2: Coefficient of half of the squares, 0 or more.
    """
    total: Tensor = _ElasticNet.apply(l1, l2, *weights)  # type: ignore[no-untyped-call]
    return total


class L1(WeightPenalty):
    """Adds λ Σ|w| to the loss, which drives weights to exactly 0 (Tibshirani's lasso, 1996).

    Args:
        coefficient: λ, 0 or more.
        pattern: Only weights whose name matches this regular expression anywhere; by default all trainable ones.
            Biases and norms are spared.

    Raises:
        ValueError: `coefficient` is out of range, or `pattern` is not a regular expression.
    """

    def __init__(self, coefficient: float = 1e-5, pattern: str | None = None) -> None:
        super().__init__(coefficient, pattern)

    @override
    def penalize(self, weights: list[Tensor]) -> Tensor:
        return elastic_net(weights, self.coefficient, 0)


class L2(WeightPenalty):
    """Adds λ/2 · Σw² to the loss: its gradient is λw, as with SGD's `weight_decay` λ.

    In SGD the two are the same. In Adam this equals Adam's own, coupled `weight_decay`, and differs from AdamW's
    decoupled one, which is not scaled by the gradients' size (Loshchilov & Hutter, ICLR 2019). As a loss term it can
    act on some weights only, and can be `Scheduled`.

    Args:
        coefficient: λ, 0 or more.
        pattern: Only weights whose name matches this regular expression anywhere; by default all trainable ones.
            Biases and norms are spared.

    Raises:
        ValueError: `coefficient` is out of range, or `pattern` is not a regular expression.
    """

    def __init__(self, coefficient: float = 5e-4, pattern: str | None = None) -> None:
        super().__init__(coefficient, pattern)

    @override
    def penalize(self, weights: list[Tensor]) -> Tensor:
        return elastic_net(weights, 0, self.coefficient)


class ElasticNet(WeightPenalty):
    """Adds λ (ρ Σ|w| + (1 − ρ)/2 · Σw²) to the loss, in scikit-learn's parametrisation.

    Args:
        coefficient: λ, 0 or more.
        l1_ratio: ρ, in [0, 1]: 1 is `L1`, 0 is `L2`.
        pattern: Only weights whose name matches this regular expression anywhere; by default all trainable ones.
            Biases and norms are spared.

    Raises:
        ValueError: An argument is out of range, or `pattern` is not a regular expression.
    """

    def __init__(self, coefficient: float = 1e-4, l1_ratio: float = 0.5, pattern: str | None = None) -> None:
        super().__init__(coefficient, pattern)
        check_fraction("ElasticNet", l1_ratio=l1_ratio)
        self.l1_ratio = l1_ratio

    @override
    def penalize(self, weights: list[Tensor]) -> Tensor:
        return elastic_net(weights, self.coefficient * self.l1_ratio, self.coefficient * (1 - self.l1_ratio))
