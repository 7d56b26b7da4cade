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
        given, stored = found.get("temperature"), found.get("conformal")
        temperature = _number(given, LOWEST, HIGHEST)
        if temperature is None:
            raise TrainingError(
                f"{source}: its calibration has the temperature {str(given)[:20]!r}, which is not between "
                f"{LOWEST:g} and {HIGHEST:g}: run holdout calibrate again"
            )
        conformal = None
        if stored is not None:
            sets = stored if isinstance(stored, dict) else {}
            coverage, threshold = _number(sets.get("coverage"), 0, 1), _number(sets.get("threshold"), 0, math.inf)
            if coverage is None or threshold is None:
                raise TrainingError(
                    f"{source}: its calibration has prediction sets of coverage {str(sets.get('coverage'))[:20]!r} and "
                    f"threshold {str(sets.get('threshold'))[:20]!r}, which cannot be: run holdout calibrate again"
                )
            conformal = Conformal(coverage, threshold)
        samples, views = found.get("samples"), found.get("views")
        known = samples if isinstance(samples, int) else 0
        return cls(temperature, conformal, known, views if isinstance(views, str) else "")

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for a checkpoint or for JSON."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}


def _number(value: Any, low: float, high: float) -> float | None:
    """Return a value as a number, None if it is not a finite one within the bounds."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) and low <= value <= high else None
