"""A regularizer whose strength changes from epoch to epoch."""

import copy
import math
import warnings
from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor, nn

from models.regularizers.base import Forward, Regularizer, check_fraction

Shape = Literal["linear", "cosine"]


def ramp(epoch: int, start_epoch: int, end_epoch: int, shape: Shape = "linear") -> float:
    """Return how far an epoch is along a ramp: 0 up to its start, 1 from its end on.

    Args:
        epoch: Number of epochs that were trained before.
        start_epoch: The last epoch with 0.
        end_epoch: The first epoch with 1.
        shape: Go at an even pace, or start and end slowly.
    """
    if epoch >= end_epoch:
        return 1.0
    if epoch <= start_epoch:
        return 0.0
    progress = (epoch - start_epoch) / (end_epoch - start_epoch)
    return progress if shape == "linear" else (1 - math.cos(math.pi * progress)) / 2


class Scheduled(Regularizer):
    """Lets another regularizer's strength go from one share of what it was given to another.

    The strength is that setting of the regularizer that turns it off at 0: DisturbLabel's `alpha`, LabelSmoothing's
    `epsilon` and so on. Warm-up is the default; `initial: 1` and `final: 0` fade it out.

    Args:
        regularizer: What is scheduled, with its full strength, which it has until training begins; a copy is taken.
        end_epoch: The first epoch, counted from 0, that has the final strength.
        start_epoch: The last epoch that has the initial strength.
        initial: Strength before the ramp, as a share in [0, 1] of the full one.
        final: Strength after the ramp, likewise.
        shape: Go at an even pace ("linear"), or start and end slowly ("cosine").

    Raises:
        ValueError: An argument is out of range, or the regularizer has no strength.
    """

    def __init__(
        self,
        regularizer: Regularizer,
        end_epoch: int,
        start_epoch: int = 0,
        initial: float = 0.0,
        final: float = 1.0,
        shape: Shape = "linear",
    ) -> None:
        super().__init__()
        name = type(regularizer).__name__
        if regularizer.strength is None:
            raise ValueError(f"Scheduled: {name} has no strength that could be 0, so that it cannot be scheduled")
        if not hasattr(regularizer, regularizer.strength):
            raise ValueError(
                f"Scheduled: {name} calls its strength {regularizer.strength!r}, and has no such attribute"
            )
        if not 0 <= start_epoch <= end_epoch:
            raise ValueError(f"Scheduled: start_epoch {start_epoch} is below 0 or after end_epoch {end_epoch}")
        for argument, share in (("initial", initial), ("final", final)):
            check_fraction("Scheduled", argument, share)
        self.regularizer = copy.deepcopy(regularizer)
        self.start_epoch_of_ramp = start_epoch
        self.end_epoch = end_epoch
        self.initial = initial
        self.final = final
        self.shape: Shape = shape
        self.full_strength: float = getattr(regularizer, regularizer.strength)

    def start_epoch(self, epoch: int) -> None:
        """Set the strength of an epoch, counted from 0."""
        self.regularizer.start_epoch(epoch)
        progress = ramp(epoch, self.start_epoch_of_ramp, self.end_epoch, self.shape)
        share = self.initial + (self.final - self.initial) * progress
        assert self.regularizer.strength is not None
        setattr(self.regularizer, self.regularizer.strength, self.full_strength * share)

    def check_length(self, epochs: int | None) -> None:
        """Warn of a ramp that a run of so many epochs, None or -1 for no end, does not get to the end of."""
        if epochs is not None and self.end_epoch >= epochs > 0 and self.initial != self.final:
            warnings.warn(
                f"{type(self.regularizer).__name__} has its final strength from epoch {self.end_epoch + 1} on, and the "
                f"run ends after epoch {epochs}",
                stacklevel=2,
            )

    def members(self) -> list[Regularizer]:  # noqa: D102
        return [self.regularizer]

    def check(self, network: nn.Module, num_classes: int, before: Sequence[Regularizer]) -> None:  # noqa: D102
        self.regularizer.check(network, num_classes, before)

    def check_batch(self, inputs: Any, of_steps: bool) -> None:  # noqa: D102
        self.regularizer.check_batch(inputs, of_steps)

    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        return self.regularizer.perturb(inputs, targets)

    def revise(self, outputs: Tensor, targets: Tensor) -> Tensor:  # noqa: D102
        return self.regularizer.revise(outputs, targets)

    def penalty(self, outputs: Tensor, targets: Tensor, network: nn.Module) -> Tensor | None:  # noqa: D102
        return self.regularizer.penalty(outputs, targets, network)

    def second_pass(self, forward: Forward, inputs: Tensor, outputs: Tensor, targets: Tensor) -> Tensor | None:  # noqa: D102
        return self.regularizer.second_pass(forward, inputs, outputs, targets)

    def project(self, network: nn.Module) -> None:  # noqa: D102
        self.regularizer.project(network)

    def extra_repr(self) -> str:  # noqa: D102
        span = f"epochs {self.start_epoch_of_ramp} to {self.end_epoch}"
        return f"{self.initial} to {self.final} of {self.full_strength}, {span}, {self.shape}"
