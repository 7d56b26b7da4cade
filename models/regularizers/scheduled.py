"""A regularizer whose strength changes from epoch to epoch."""

import copy
import math
import warnings
from typing import Literal

from typing_extensions import override

from datamodules.checks import check_fraction
from models.regularizers.base import Regularizer

RampShape = Literal["linear", "cosine"]


def ramp(epoch: int, start_epoch: int, end_epoch: int, shape: RampShape = "linear") -> float:
    """Return the position of an epoch on a ramp: 0 up to its start, 1 from its end on.

    Args:
        epoch: Number of epochs that were trained before.
        start_epoch: The last epoch with 0.
        end_epoch: The first epoch with 1.
        shape: "linear" rises at an even pace, "cosine" starts and ends slowly.
    """
    if epoch >= end_epoch:
        return 1.0
    if epoch <= start_epoch:
        return 0.0
    progress = (epoch - start_epoch) / (end_epoch - start_epoch)
    return progress if shape == "linear" else (1 - math.cos(math.pi * progress)) / 2


class Scheduled(Regularizer):
    """Changes another regularizer's strength from one fraction of its setting to another.

    The strength is the setting that turns the regularizer off at 0: DisturbLabel's `alpha`, LabelSmoothing's `epsilon`
    and so on. Warm-up is the default; `initial: 1` and `final: 0` fade it out.

    It only holds the schedule. A list of regularizers, `RandomMix` included, takes the regularizer out of it.

    Args:
        regularizer: The regularizer at full strength, which it has until training begins; it is copied.
        end_epoch: The first epoch, counted from 0, with the final strength.
        start_epoch: The last epoch with the initial strength.
        initial: Strength before the ramp, as a fraction of the full one, in [0, 1].
        final: Strength after the ramp, as a fraction of the full one, in [0, 1].
        shape: "linear" changes at an even pace, "cosine" starts and ends slowly.

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
        shape: RampShape = "linear",
    ) -> None:
        super().__init__()
        name, strength = type(regularizer).__name__, regularizer.strength
        if strength is None:
            raise ValueError(f"Scheduled: {name} has no strength to schedule")
        if not hasattr(regularizer, strength):
            raise ValueError(f"Scheduled: {name} calls its strength {strength!r}, and has no such attribute")
        if not 0 <= start_epoch <= end_epoch:
            raise ValueError(f"Scheduled: start_epoch {start_epoch} is below 0 or after end_epoch {end_epoch}")
        check_fraction("Scheduled", initial=initial, final=final)
        self.regularizer = copy.deepcopy(regularizer)
        self.strength_name = strength
        self.full_strength: float = getattr(regularizer, strength)
        self.first_epoch = start_epoch
        self.end_epoch = end_epoch
        self.initial = initial
        self.final = final
        self.shape: RampShape = shape

    def start_epoch(self, epoch: int) -> None:
        """Set the strength for an epoch, counted from 0."""
        progress = ramp(epoch, self.first_epoch, self.end_epoch, self.shape)
        fraction = self.initial + (self.final - self.initial) * progress
        setattr(self.regularizer, self.strength_name, self.full_strength * fraction)

    def warn_unfinished(self, epochs: int | None) -> None:
        """Warn if the run ends before the ramp does; `epochs` None or -1 means no end."""
        if epochs is not None and self.end_epoch >= epochs > 0 and self.initial != self.final:
            warnings.warn(
                f"{type(self.regularizer).__name__} reaches its final strength in epoch {self.end_epoch + 1}, but the "
                f"run ends after epoch {epochs}",
                stacklevel=2,
            )

    @override
    def extra_repr(self) -> str:
        span = f"epochs {self.first_epoch} to {self.end_epoch}"
        return f"{self.initial} to {self.final} of {self.full_strength}, {span}, {self.shape}"
