import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from scripts.study.paired_samples import compare_samples


def test_two_models_on_the_same_samples_are_told_apart_by_mcnemars_test() -> None:
    first = np.array([1.0] * 80 + [0.0] * 20)
    second = np.array([1.0] * 78 + [0.0] * 2 + [1.0] * 15 + [0.0] * 5)
    found = compare_samples(first, second)
    assert (found.only_first, found.only_second) == (2, 15)
    assert found.p_value == pytest.approx(mcnemar([[78, 2], [15, 5]], exact=True).pvalue)
    assert found.difference == pytest.approx(0.13)
    low, high = found.interval
    reference = stats.bootstrap((second - first,), np.mean, method="percentile", rng=0).confidence_interval
    assert (low, high) == pytest.approx((reference.low, reference.high), abs=0.011)


def test_losses_of_two_models_are_compared_by_their_means() -> None:
    random = np.random.default_rng(0)
    first = random.exponential(1, 200)
    found = compare_samples(first, first - 0.1 + random.normal(0, 0.05, 200))
    assert found.only_first is None
    assert found.p_value < 0.001
    assert found.interval[1] < 0


def test_the_test_is_of_the_mean_that_the_verdict_is_of() -> None:
    first = np.full(200, 1.0)
    second = first - 0.01
    second[:3] = 9.0  # better on nearly all samples, and worse on the average
    found = compare_samples(first, second)
    assert found.difference > 0
    assert found.p_value > 0.05


def test_models_that_agree_on_every_sample_show_no_difference() -> None:
    right = np.array([1.0, 0.0, 1.0])
    found = compare_samples(right, right)
    assert (found.p_value, found.difference, found.interval) == (1.0, 0.0, (0.0, 0.0))
