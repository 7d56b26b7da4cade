"""Taking turns: one of several regularizers per batch."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from models.regularizers.base import Regularizer
from models.regularizers.chain import RegularizerChain, overrides
from models.regularizers.hook_results import perturbed

HOOKS_OF_EVERY_BATCH = ("revise", "penalty", "project")


class RandomMix(Regularizer):
    """Lets one of several regularizers, or none, change a batch, drawn anew for each batch.

    Args:
        choices: The regularizers to draw from.
        probabilities: Probability of each, with a sum of at most 1; the rest is the probability that the batch stays
            as it is. Equal by default.

    Raises:
        ValueError: There are no choices, or the probabilities do not fit them.
    """

    def __init__(self, choices: list[Regularizer], probabilities: list[float] | None = None) -> None:
        super().__init__()
        if not choices:
            raise ValueError("RandomMix: there are no choices")
        if probabilities is None:
            probabilities = [1 / len(choices)] * len(choices)
        if len(probabilities) != len(choices):
            raise ValueError(f"RandomMix: {len(probabilities)} probabilities for {len(choices)} choices")
        if not all(p >= 0 for p in probabilities) or sum(probabilities) > 1 + 1e-6:
            raise ValueError(f"RandomMix: probabilities {probabilities} are not 0 or more with a sum of at most 1")
        self.choices = RegularizerChain(choices)
        self.probabilities = list(probabilities)

    @override
    def setup(self, network: nn.Module, num_classes: int, before: Sequence[Regularizer]) -> None:
        for choice in self.choices:
            name = type(choice).__name__
            if not overrides(choice, "perturb"):
                raise ValueError(f"RandomMix: {name} does not change batches")
            if any(overrides(choice, hook) for hook in HOOKS_OF_EVERY_BATCH):
                raise ValueError(f"RandomMix: {name} does not only change batches, so it cannot take turns")
            choice.setup(network, num_classes, before)

    @override
    def check_batch(self, inputs: Any, of_steps: bool) -> None:
        for choice in self.choices:
            choice.check_batch(inputs, of_steps)

    @override
    def start_epoch(self, epoch: int) -> None:
        self.choices.start_epoch(epoch)

    @override
    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        inputs, targets = self._by_choice(inputs, targets)
        return inputs, targets

    @override
    def perturb_weighted(self, inputs: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        inputs, targets, weights = self._by_choice(inputs, targets, weights)
        return inputs, targets, weights

    def _by_choice(self, *batch: Tensor) -> tuple[Any, ...]:
        drawn = torch.rand(()).item()
        for choice, probability in zip(self.choices, self.probabilities, strict=True):
            if drawn < probability:
                return perturbed(choice, *batch)
            drawn -= probability
        return batch
