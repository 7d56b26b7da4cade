"""Taking turns: one of several regularizers a batch."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.regularizers.base import Regularizer
from models.regularizers.chain import RegularizerChain

HOOKS_OF_ALL_BATCHES = ("revise", "penalty", "second_pass", "project")


class RandomMix(Regularizer):
    """Lets one of several regularizers change a batch, drawn anew for each batch; or none.

    Args:
        choices: What is drawn from.
        probabilities: Probability of each, adding up to 1 or less; what is missing leaves the batch as it is. By
            default all alike.

    Raises:
        ValueError: The probabilities do not belong to the choices, or are none.
    """

    def __init__(self, choices: list[Regularizer], probabilities: list[float] | None = None) -> None:
        super().__init__()
        if not choices:
            raise ValueError("RandomMix: there are no choices")
        shares = [1 / len(choices)] * len(choices) if probabilities is None else probabilities
        if len(shares) != len(choices):
            raise ValueError(f"RandomMix: {len(shares)} probabilities for {len(choices)} choices")
        if not all(share >= 0 for share in shares) or sum(shares) > 1 + 1e-6:
            raise ValueError(f"RandomMix: probabilities {shares} are not shares of 1")
        self.choices = RegularizerChain(choices)
        self.probabilities = list(shares)

    def members(self) -> list[Regularizer]:  # noqa: D102
        return self.choices.members()

    def check(self, network: nn.Module, num_classes: int, before: Sequence[Regularizer]) -> None:
        """Refuse what its choices refuse; only what changes batches, and nothing else, can be taken turns with."""
        for member in self.members():
            name = type(member).__name__
            if type(member).perturb is Regularizer.perturb:
                raise ValueError(f"RandomMix: {name} does not change batches")
            if any(getattr(type(member), hook) is not getattr(Regularizer, hook) for hook in HOOKS_OF_ALL_BATCHES):
                raise ValueError(f"RandomMix: {name} does more than change batches, which cannot be taken turns with")
        for choice in self.choices:
            choice.check(network, num_classes, before)

    def check_batch(self, inputs: Any, of_steps: bool) -> None:  # noqa: D102
        self.choices.check_batch(inputs, of_steps)

    def start_epoch(self, epoch: int) -> None:  # noqa: D102
        self.choices.start_epoch(epoch)

    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        drawn = torch.rand(()).item()
        for choice, share in zip(self.choices, self.probabilities, strict=True):
            if drawn < share:
                return choice.perturb(inputs, targets)
            drawn -= share
        return inputs, targets
