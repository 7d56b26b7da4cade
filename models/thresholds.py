"""Thresholds that turn the probability of a yes/no label into a decision."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from typing_extensions import override


def best_thresholds(probabilities: Tensor, targets: Tensor) -> Tensor:
    """Return the threshold of each label that maximises its F1 on the given samples, (L,), float32.

    A threshold lies halfway between two neighbouring probabilities, or halfway to 0; of equally good ones it is the one
    nearest to 1/2. A label without a positive sample has 1/2.

    Args:
        probabilities: (N, L), float32, on the CPU.
        targets: (N, L), bool, on the CPU.
    """
    several = zip(probabilities.T, targets.T, strict=True)
    return torch.stack([_best_threshold(scores, positive) for scores, positive in several])


def _best_threshold(scores: Tensor, positive: Tensor) -> Tensor:
    if not positive.any():
        return torch.tensor(0.5)
    scores, order = scores.sort(descending=True)
    hits = positive[order].long().cumsum(0)
    last = torch.cat([scores[1:] != scores[:-1], torch.tensor([True])])  # of the samples with the same probability
    above, hits = scores[last], hits[last]
    claimed = (torch.arange(len(scores)) + 1)[last]
    # The same fraction is the same number, whatever N.
    f1 = 2 * hits.double() / (claimed + positive.sum()).double()
    below = torch.cat([above[1:], torch.zeros(1)])
    middle = (above + below) / 2
    thresholds = torch.where(middle > below, middle, above)[f1 == f1.max()]
    return thresholds[(thresholds - 0.5).abs().argmin()]


class DecisionThresholds(nn.Module):
    """The thresholds of L labels, 1/2 each until they are chosen; they stay in single precision (`bf16-true`).

    Args:
        num_labels: L.

    Attributes:
        values: Thresholds of the probabilities that the network gives, (L,).
        temperature: Divisor of the logits in the probabilities to decide on; it changes no decision.
    """

    values: Tensor
    temperature: float = 1.0

    def __init__(self, num_labels: int) -> None:
        super().__init__()
        self.register_buffer("values", torch.full((num_labels,), 0.5))

    def forward(self, probabilities: Tensor) -> Tensor:
        """Return which of the probabilities (N, L) reach their label's threshold, bool."""
        return probabilities.float() >= self.at_temperature().to(probabilities.device)

    def at_temperature(self) -> Tensor:
        """Return thresholds (L,) that decide on calibrated probabilities as `values` do on uncalibrated ones."""
        if self.temperature == 1:
            return self.values
        return (self.values.cpu().double().logit() / self.temperature).sigmoid().float()

    @override
    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
        moved: nn.Module = super()._apply(lambda values: values.to(fn(values).device), recurse)  # type: ignore[no-untyped-call]
        return moved
