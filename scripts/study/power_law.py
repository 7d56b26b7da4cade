"""How a result goes on with more data: a power law through a learning curve, and how far it can be trusted."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import curve_fit

from scripts.study.statistics import CONFIDENCE, Interval, Values

LEAST_SIZES = 3
RESAMPLES = 1000


@dataclass(frozen=True)
class PowerLaw:
    """error = floor + scale * size ** -exponent (Hestness et al., arXiv 1712.00409).

    Attributes:
        floor: What no amount of data removes, 0 or more; 0 where three sizes or fewer cannot tell it.
        scale: Above 0.
        exponent: Above 0.
    """

    floor: float
    scale: float
    exponent: float

    def __call__(self, sizes: Values) -> Values:
        """Return the errors at some sizes."""
        return self.floor + self.scale * sizes**-self.exponent


def fit_power_law(sizes: Values, errors: Values) -> PowerLaw | None:
    """Return the power law through points, by least squares of logarithms; None where errors do not fall.

    Args:
        sizes: Numbers of training samples, (n,), above 0; three different ones or more.
        errors: The error of each run, (n,), above 0.
    """
    if len(np.unique(sizes)) < LEAST_SIZES or np.any(errors <= 0):
        return None
    slope, intercept = np.polyfit(np.log(sizes), np.log(errors), 1)
    if slope >= 0:
        return None
    plain = PowerLaw(0.0, float(np.exp(intercept)), float(-slope))
    if len(np.unique(sizes)) == LEAST_SIZES:
        return plain

    def logarithm(x: Values, floor: float, scale: float, exponent: float) -> Values:
        law: Values = np.log(floor + np.exp(scale) * x**-exponent)
        return law

    try:
        start = (errors.min() / 2, intercept, -slope)
        lowest, highest = (0, -math.inf, 1e-6), (errors.min(), math.inf, 10)
        found, _ = curve_fit(logarithm, sizes, np.log(errors), p0=start, bounds=(lowest, highest))
    except (RuntimeError, ValueError):
        return plain
    return PowerLaw(float(found[0]), float(np.exp(found[1])), float(found[2]))


def extrapolate(
    runs: Mapping[float, Sequence[float]], sizes: Values, confidence: float = CONFIDENCE
) -> tuple[Values, list[Interval]] | None:
    """Return the errors that a power law expects at some sizes, with intervals.

    The intervals come from the law fitted to runs drawn again at each size. They hold the chance of the runs, not that
    of another law.

    Args:
        runs: Errors of runs by their number of training samples.
        sizes: Where to extrapolate to, (m,).
        confidence: Coverage of the intervals.

    Returns:
        Errors (m,) and an interval for each; None without three sizes, or where errors do not fall.
    """
    law = fit_power_law(*_points(runs))
    if law is None:
        return None
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(RESAMPLES):
        again = fit_power_law(*_points({size: [*random.choice(some, len(some))] for size, some in runs.items()}))
        if again is not None:
            drawn.append(again(sizes))
    if not drawn:
        return None
    low, high = np.quantile(drawn, [0.5 - confidence / 2, 0.5 + confidence / 2], axis=0)
    return law(sizes), [(float(one), float(other)) for one, other in zip(low, high, strict=True)]


def _points(runs: Mapping[float, Sequence[float]]) -> tuple[Values, Values]:
    pairs = [(size, error) for size, errors in runs.items() for error in errors]
    sizes, errors = np.array(pairs, dtype=np.float64).T
    return sizes, errors
