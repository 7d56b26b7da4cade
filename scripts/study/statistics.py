"""Statistics of a comparison: means with intervals, paired differences, their tests, and what the runs could find.

Pure functions on arrays. Runs of two arms that share split and seed are a pair; what is compared is the mean of the
pairs' differences.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

CONFIDENCE = 0.95
POWER = 0.8
RESAMPLES = 9999
FEWEST_RESAMPLED = 5  # pairs; fewer have too few different resamples
MOST_NEEDED = 10_000  # pairs
ROUNDING = 1e-12  # of values, relative to the largest
Values = npt.NDArray[np.float64]
Interval = tuple[float, float]
NONE: Interval = (math.nan, math.nan)


@dataclass(frozen=True)
class Spread:
    """What several runs of one arm measured.

    Attributes:
        count: Number of runs.
        mean: Mean.
        deviation: Sample standard deviation, with n - 1; NaN of a single run.
        interval: Interval of the mean, by Student's t; NaN of a single run, or of equal values.
    """

    count: int
    mean: float
    deviation: float
    interval: Interval


@dataclass(frozen=True)
class Comparison:
    """An arm against the first, pair by pair.

    Attributes:
        count: Number of pairs.
        difference: Mean of the arm's value minus the first's.
        deviation: Sample standard deviation of the differences.
        interval: Interval of the mean difference, by Student's t; NaN of equal differences.
        resampled: The same by the bias-corrected and accelerated bootstrap (Efron, 1987); NaN of overlapping pairs, and
            of fewer than five.
        p_value: Of the paired t-test, two-sided.
        adjusted: The same after Holm's correction over all comparisons of a metric.
        effect: The difference in standard deviations of the differences, Hedges' correction made (Hedges, 1981).
        detectable: The smallest difference that so many pairs find in 80 % of studies, at 5 %.
        needed: Number of pairs that a given difference needs for that; None without one, or if 10,000 are not enough.
    """

    count: int
    difference: float
    deviation: float
    interval: Interval
    resampled: Interval
    p_value: float
    adjusted: float
    effect: float
    detectable: float
    needed: int | None


def spread(values: Sequence[float], confidence: float = CONFIDENCE, overlap: float = 0.0) -> Spread:
    """Return mean, standard deviation and interval of values.

    Args:
        values: A value for each run, 1 or more.
        confidence: Coverage of the interval, in (0, 1).
        overlap: As in `compare`.
    """
    array = np.asarray(values, dtype=np.float64)
    mean, deviation = float(array.mean()), _deviation(array, array)
    return Spread(len(array), mean, deviation, _t_interval(mean, deviation, len(array), confidence, overlap))


def compare(
    values: Sequence[float],
    first: Sequence[float],
    confidence: float = CONFIDENCE,
    overlap: float = 0.0,
    worth: float | None = None,
) -> Comparison:
    """Compare an arm with the first.

    Args:
        values: The arm's value in each pair.
        first: The first arm's value in the same pairs.
        confidence: Coverage of the intervals, in (0, 1).
        overlap: Number of evaluated samples to that of training samples, if pairs are evaluated on different samples
            that others of them are trained on, as folds are: their differences are not independent, and the variance
            of the mean is (1 / n + overlap) times that of a difference (Nadeau and Bengio, 2003). Otherwise 0.
        worth: The difference worth finding, if there is one.
    """
    own, others = np.asarray(values, dtype=np.float64), np.asarray(first, dtype=np.float64)
    differences = own - others
    count, mean = len(differences), float(differences.mean())
    if count < 2:
        return Comparison(count, mean, math.nan, NONE, NONE, math.nan, math.nan, math.nan, math.nan, None)
    deviation = _deviation(differences, np.concatenate([own, others]))
    p_value = _t_test(mean, deviation, count, overlap)
    return Comparison(
        count,
        mean,
        deviation,
        _t_interval(mean, deviation, count, confidence, overlap),
        NONE if overlap or count < FEWEST_RESAMPLED else bootstrap_interval(differences, confidence),
        p_value,
        p_value,
        hedges(mean, deviation, count),
        detectable_difference(deviation, count, overlap),
        None if worth is None else needed_pairs(worth, deviation, overlap),
    )


def _deviation(array: Values, scale: Values) -> float:
    """Return the sample standard deviation, NaN of one value; 0 if it is no more than rounding leaves of a scale."""
    if len(array) < 2:
        return math.nan
    deviation = float(array.std(ddof=1))
    return 0.0 if deviation <= ROUNDING * float(np.abs(scale).max(initial=0.0)) else deviation


def with_holm(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return comparisons with their p-values corrected for being several (Holm, 1979)."""
    from statsmodels.stats.multitest import multipletests

    known = [number for number, one in enumerate(comparisons) if not math.isnan(one.p_value)]
    found = list(comparisons)
    if known:
        _, adjusted, _, _ = multipletests([comparisons[number].p_value for number in known], method="holm")
        for number, value in zip(known, adjusted, strict=True):
            found[number] = replace(comparisons[number], adjusted=float(value))
    return found


def _t_interval(mean: float, deviation: float, count: int, confidence: float, overlap: float) -> Interval:
    if count < 2 or deviation == 0:
        return NONE  # equal values say nothing about their chance
    half = float(stats.t.ppf(0.5 + confidence / 2, count - 1)) * deviation * math.sqrt(1 / count + overlap)
    return mean - half, mean + half


def _t_test(mean: float, deviation: float, count: int, overlap: float) -> float:
    """Return the two-sided p-value; NaN where no pair differs from another, so that nothing can be tested."""
    if deviation == 0:
        return 1.0 if abs(mean) <= ROUNDING else math.nan
    return float(2 * stats.t.sf(abs(mean) / (deviation * math.sqrt(1 / count + overlap)), count - 1))


def bootstrap_interval(values: Values, confidence: float = CONFIDENCE) -> Interval:
    """Return the bootstrap interval of a mean; with fewer than ten values it is too short."""
    if len(values) < 2 or np.ptp(values) == 0:
        return (float(values[0]), float(values[0])) if len(values) else NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a few values, the acceleration may be undefined: tried without it
        for method in ("BCa", "percentile"):
            found = stats.bootstrap(
                (values,), np.mean, confidence_level=confidence, method=method, n_resamples=RESAMPLES, rng=0
            ).confidence_interval
            if math.isfinite(found.low) and math.isfinite(found.high):
                return float(found.low), float(found.high)
    return NONE


def hedges(mean: float, deviation: float, count: int) -> float:
    """Return the standardised mean difference of pairs, corrected for few of them; NaN of two, or if all are equal."""
    if deviation == 0 or count < 3:
        return math.nan
    return mean / deviation * (1 - 3 / (4 * (count - 1) - 1))


def detectable_difference(deviation: float, count: int, overlap: float = 0.0) -> float:
    """Return the smallest difference that a paired t-test at 5 % finds in 80 % of studies.

    Args:
        deviation: Standard deviation of the differences.
        count: Number of pairs, 2 or more.
        overlap: As in `compare`.
    """
    from scipy.optimize import brentq

    if deviation == 0:
        return math.nan
    return float(brentq(lambda effect: _power(effect, count, overlap) - POWER, 1e-9, 1000.0)) * deviation


def needed_pairs(difference: float, deviation: float, overlap: float = 0.0) -> int | None:
    """Return the number of pairs in which a difference is found in 80 % of studies; None if 10,000 are not enough."""
    if deviation == 0:
        return None
    effect = abs(difference) / deviation
    if _power(effect, MOST_NEEDED, overlap) < POWER:
        return None
    low, high = 1, MOST_NEEDED
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _power(effect, middle, overlap) >= POWER else (middle, high)
    return high


def _power(effect: float, count: int, overlap: float) -> float:
    """Return how often a paired t-test at 5 % finds an effect, in standard deviations of the differences."""
    freedom, shift = count - 1, effect / math.sqrt(1 / count + overlap)
    bound = float(stats.t.isf((1 - CONFIDENCE) / 2, freedom))
    power = float(stats.nct.sf(bound, freedom, shift) + stats.nct.cdf(-bound, freedom, shift))
    return 1.0 if math.isnan(power) else power  # far beyond the bound SciPy gives up


def variance_factor(count: int) -> float:
    """Return how many times a sample variance of normal values the upper end of its 95 % interval is."""
    return float((count - 1) / stats.chi2.ppf((1 - CONFIDENCE) / 2, count - 1))


def variance_shares(groups: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, float]]:
    """Return the standard deviation that each source gives a result alone, and its share of their variances' sum.

    Args:
        groups: Values of runs that differ in one source alone, by source; two or more each.
    """
    variances = {source: float(np.var(values, ddof=1)) for source, values in groups.items()}
    total = sum(variances.values())
    return {source: (math.sqrt(value), value / total if total else math.nan) for source, value in variances.items()}
