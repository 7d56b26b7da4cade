"""Two models on the same test samples: McNemar's test, and a bootstrap over the samples."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from scripts.study.statistics import CONFIDENCE, RESAMPLES, Interval, Values


@dataclass(frozen=True)
class PairedSamples:
    """Two models on the same test samples.

    Attributes:
        count: Number of samples.
        difference: Mean of the second's value minus the first's.
        interval: Its bootstrap interval over samples.
        only_first: Samples that the first alone gets right; None for values that are not right or wrong.
        only_second: Samples that the second alone gets right.
        p_value: Of McNemar's exact test of those two counts; for other values, of a permutation test of the mean
            difference, which turns the signs of differences at random.
    """

    count: int
    difference: float
    interval: Interval
    only_first: int | None
    only_second: int | None
    p_value: float


def compare_samples(first: Values, second: Values, confidence: float = CONFIDENCE, seed: int = 0) -> PairedSamples:
    """Compare two models by a value per sample.

    Args:
        first: The first model's value of each sample, (n,): 1 and 0 for right and wrong, or a loss.
        second: The second's.
        confidence: Coverage of the interval.
        seed: Seed of the bootstrap.
    """
    differences = second - first
    rng = np.random.default_rng(seed)
    unique, counts = np.unique(differences, return_counts=True)
    if len(unique) <= 3:  # right or wrong: a resample is a draw of three counts
        draws = rng.multinomial(len(differences), counts / len(differences), size=RESAMPLES) @ unique / len(differences)
    else:
        draws = np.array([rng.choice(differences, len(differences)).mean() for _ in range(RESAMPLES)])
    low, high = np.quantile(draws, [0.5 - confidence / 2, 0.5 + confidence / 2])
    only_first, only_second, p_value = None, None, 1.0
    if set(np.unique(first)) | set(np.unique(second)) <= {0.0, 1.0}:
        only_first, only_second = int((differences < 0).sum()), int((differences > 0).sum())
        either = only_first + only_second
        p_value = float(stats.binomtest(only_first, either).pvalue) if either else 1.0
    elif np.any(differences):
        drawn = stats.permutation_test(
            (differences,), np.mean, permutation_type="samples", n_resamples=RESAMPLES, batch=50, rng=rng
        )
        p_value = float(drawn.pvalue)
    interval = float(low), float(high)
    return PairedSamples(len(first), float(differences.mean()), interval, only_first, only_second, p_value)
