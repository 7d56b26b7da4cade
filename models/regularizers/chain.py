"""A list of regularizers as the training step uses it."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from models.optimization.frozen_batch_norm import frozen_batch_norm_statistics
from models.regularizers.base import Forward, Regularizer


class RegularizerChain(nn.ModuleList):
    """Regularizers in the order in which they act.

    Args:
        regularizers: Any number of them.

    Raises:
        ValueError: An item is no regularizer.
    """

    def __init__(self, regularizers: Sequence[Regularizer]) -> None:
        for regularizer in regularizers:
            if not isinstance(regularizer, Regularizer):
                raise ValueError(f"regularizers: {type(regularizer).__name__} is not a Regularizer")
        super().__init__(regularizers)

    def __iter__(self) -> Iterator[Regularizer]:  # type: ignore[override]
        """Go through the regularizers in order."""
        return cast("Iterator[Regularizer]", super().__iter__())

    def members(self) -> list[Regularizer]:
        """Return what all of them stand for: themselves, or those that they wrap."""
        return [member for regularizer in self for member in regularizer.members()]

    def check(self, network: nn.Module, num_classes: int) -> None:
        """Let each refuse what makes no sense.

        Args:
            network: The network.
            num_classes: Number of classes; 0 where targets are continuous.

        Raises:
            ValueError: One does.
        """
        before: list[Regularizer] = []
        for regularizer in self:
            regularizer.check(network, num_classes, tuple(before))
            before += regularizer.members()

    def check_batch(self, inputs: Any, of_steps: bool) -> None:
        """Let each refuse a batch that it cannot act on.

        Args:
            inputs: The batch, (N, ...), or sequences with their lengths.
            of_steps: Whether targets are of the labelled steps of sequences, not of samples.

        Raises:
            TrainingError: One does.
        """
        for regularizer in self:
            regularizer.check_batch(inputs, of_steps)

    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the batch as all of them change it."""
        for regularizer in self:
            changed = regularizer.perturb(inputs, targets)
            if not isinstance(changed, tuple) or len(changed) != 2:
                raise TypeError(f"{type(regularizer).__name__}.perturb must return inputs and targets")
            inputs, targets = changed
        return inputs, targets

    def revise(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the targets as all of them change them."""
        for regularizer in self:
            targets = regularizer.revise(outputs, targets)
        return targets

    def penalties(
        self, forward: Forward, inputs: Tensor, outputs: Tensor, targets: Tensor, network: nn.Module
    ) -> list[Tensor]:
        """Return what is added to the loss, as the hooks `penalty` and `second_pass` describe it."""

        def again(given: Tensor) -> Tensor:
            with frozen_batch_norm_statistics(network):
                return forward(given)

        found = [(item, "penalty", item.penalty(outputs, targets, network)) for item in self]
        found += [(item, "second_pass", item.second_pass(again, inputs, outputs, targets)) for item in self]
        for item, hook, penalty in found:
            if penalty is not None and (not isinstance(penalty, Tensor) or penalty.ndim):
                raise TypeError(f"{type(item).__name__}.{hook} must return a scalar tensor, or None")
        return [penalty for _, _, penalty in found if penalty is not None]

    @torch.no_grad()
    def project(self, network: nn.Module) -> None:
        """Move the parameters back to where all of them allow them."""
        for regularizer in self:
            regularizer.project(network)

    def start_epoch(self, epoch: int) -> None:
        """Tell all of them how many epochs were trained before."""
        for regularizer in self:
            regularizer.start_epoch(epoch)
