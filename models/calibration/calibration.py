"""A calibration, as a checkpoint keeps it: plain values, which a stranger may have written."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

from models.calibration.temperature import HIGHEST, LOWEST
from models.errors import TrainingError

CALIBRATION_KEY = "calibration"  # of a checkpoint


@dataclass(frozen=True)
class Conformal:
    """Prediction sets or intervals.

    Args:
        coverage: Probability that they hold the truth, in (0, 1).
        threshold: Largest score of what they hold, 0 or more.
    """

    coverage: float
    threshold: float


@dataclass(frozen=True)
class Calibration:
    """What was fitted on the validation part.

    Args:
        temperature: Divisor of the logits; 1 changes nothing.
        conformal: Sets or intervals; None without any.
        samples: Number of validation samples that it was fitted on.
        views: Description of the test-time augmentation that it was fitted with, "" without any.
    """

    temperature: float
    conformal: Conformal | None = None
    samples: int = 0
    views: str = ""

    @classmethod
    def from_plain(cls, value: Any, source: Any = "the checkpoint") -> Self:
        """Return the calibration that `to_plain` made values of; `source` is the file, for messages.

        Raises:
            TrainingError: It cannot have been made so.
        """
        found = value if isinstance(value, dict) else {}
        temperature, stored = found.get("temperature"), found.get("conformal")
        if not _between(temperature, LOWEST, HIGHEST):
            raise TrainingError(
                f"{source}: its calibration has the temperature {str(temperature)[:20]!r}, which is not between "
                f"{LOWEST:g} and {HIGHEST:g}: run holdout calibrate again"
            )
        conformal = None
        if stored is not None:
            sets = stored if isinstance(stored, dict) else {}
            coverage, threshold = sets.get("coverage"), sets.get("threshold")
            if not _between(coverage, 0, 1) or not _between(threshold, 0, math.inf):
                raise TrainingError(
                    f"{source}: its calibration has prediction sets of coverage {str(coverage)[:20]!r} and "
                    f"threshold {str(threshold)[:20]!r}, which cannot be: run holdout calibrate again"
                )
            conformal = Conformal(float(coverage), float(threshold))
        samples, views = found.get("samples"), found.get("views")
        return cls(
            float(temperature),
            conformal,
            samples if isinstance(samples, int) else 0,
            views if isinstance(views, str) else "",
        )

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for a checkpoint or for JSON."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}


def _between(value: Any, low: float, high: float) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and low <= value <= high
