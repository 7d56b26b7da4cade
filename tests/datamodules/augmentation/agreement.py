"""What the tests of augmentation compare with: torchvision, image by image and draw by draw."""

from collections import Counter

import numpy as np
from scipy import stats

ERROR_PROBABILITY = 1e-6  # that a statistical test fails by chance, were the seed not fixed


def assert_same_distribution(first, second, bins=10):
    """Compare two samples of numbers by a chi-squared test on the deciles of both together."""
    first, second = (np.asarray(values, dtype=float) for values in (first, second))
    inner = np.unique(np.quantile(np.concatenate([first, second]), np.linspace(0, 1, bins + 1)[1:-1]))
    places = [np.searchsorted(inner, values - 1e-6) for values in (first, second)]
    table = np.array([np.bincount(place, minlength=len(inner) + 1) for place in places])
    table = table[:, table.sum(0) > 0]
    assert table.shape[1] == 1 or stats.chi2_contingency(table).pvalue > ERROR_PROBABILITY, table


def assert_same_counts(first, second):
    """Compare how often two samples take each of their values by a chi-squared test."""
    counts = [Counter(sample) for sample in (first, second)]
    values = sorted(counts[0] | counts[1])
    table = np.array([[count[value] for value in values] for count in counts])
    assert stats.chi2_contingency(table).pvalue > ERROR_PROBABILITY, dict(zip(values, table.T.tolist(), strict=True))
