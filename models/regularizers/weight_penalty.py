"""Which of a network's parameters a regularizer acts on."""

import re
import warnings
from collections.abc import Sequence

from torch import Tensor, nn

from models.optimization.parameter_groups import is_weight
from models.regularizers.base import Regularizer, check_coefficient


def matching_weights(network: nn.Module, pattern: str | None = None) -> list[nn.Parameter]:
    """Return a network's weights, frozen ones too; no biases and no scales of norms, as `is_weight` tells them.

    Args:
        network: The network.
        pattern: Only weights in whose name, such as `layer4.0.conv1.weight`, this regular expression is found.
    """
    named = network.named_parameters()
    return [weight for name, weight in named if is_weight(weight) and re.search(pattern or "", name)]


class WeightRegularizer(Regularizer):
    """Base class of what acts on weights: the trainable ones of the network, or some of them.

    Args:
        pattern: Only weights in whose name this regular expression is found.

    Raises:
        ValueError: `pattern` is no regular expression.
    """

    keeps_inputs = True

    def __init__(self, pattern: str | None = None) -> None:
        super().__init__()
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"{type(self).__name__}: pattern {pattern!r} is no regular expression: {error}") from error
        self.pattern = pattern

    def check(self, network: nn.Module, num_classes: int, before: Sequence[Regularizer]) -> None:
        """Refuse a pattern that no weight's name matches; warn where the weights are frozen."""
        super().check(network, num_classes, before)
        name = type(self).__name__
        found = matching_weights(network, self.pattern)
        if not found:
            there = [name for name, parameter in network.named_parameters() if is_weight(parameter)]
            raise ValueError(
                f"{name}: pattern {self.pattern!r} is found in the name of none of the {len(there)} weights, such as "
                f"{', '.join([*there[:2], *there[2:][-2:]])}"
            )
        if not any(weight.requires_grad for weight in found):
            warnings.warn(f"{name}: all weights it acts on are frozen; it waits until they are not", stacklevel=2)

    def weights(self, network: nn.Module) -> list[Tensor]:
        """Return the weights that it acts on: what is frozen now is left out."""
        return [weight for weight in matching_weights(network, self.pattern) if weight.requires_grad]


class WeightPenalty(WeightRegularizer):
    """Base class of what adds λ times a measure of the weights to the loss.

    Args:
        coefficient: λ, 0 or more.
        pattern: Only weights in whose name this regular expression is found.

    Raises:
        ValueError: `coefficient` is out of range, or `pattern` no regular expression.
    """

    strength = "coefficient"

    def __init__(self, coefficient: float, pattern: str | None = None) -> None:
        super().__init__(pattern)
        check_coefficient(type(self).__name__, "coefficient", coefficient)
        self.coefficient = coefficient

    def penalty(self, outputs: Tensor, targets: Tensor, network: nn.Module) -> Tensor | None:  # noqa: D102
        weights = self.weights(network)
        return self.penalize(weights) if self.coefficient and weights else None

    def penalize(self, weights: list[Tensor]) -> Tensor:
        """Return what is added for these weights, one or more, λ included: a scalar."""
        raise NotImplementedError
