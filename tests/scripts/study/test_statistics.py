import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from scripts.study.statistics import (
    bootstrap_interval,
    compare,
    detectable_difference,
    needed_pairs,
    spread,
    variance_shares,
    with_holm,
)

FIRST = [0.912, 0.905, 0.921, 0.899, 0.917, 0.908]
SECOND = [0.923, 0.911, 0.926, 0.914, 0.919, 0.913]
values = st.integers(-1000, 1000).map(lambda value: value / 10)


def test_a_comparison_agrees_with_scipys_paired_t_test() -> None:
    found = compare(SECOND, FIRST)
    reference = stats.ttest_rel(SECOND, FIRST)
    low, high = reference.confidence_interval(0.95)
    assert found.p_value == pytest.approx(reference.pvalue)
    assert found.interval == pytest.approx((low, high))
    assert found.difference == pytest.approx(np.mean(np.subtract(SECOND, FIRST)))


def test_the_spread_of_an_arm_is_students() -> None:
    found = spread(FIRST)
    reference = stats.ttest_1samp(FIRST, 0).confidence_interval(0.95)
    assert (found.mean, found.deviation) == pytest.approx((np.mean(FIRST), np.std(FIRST, ddof=1)))
    assert found.interval == pytest.approx((reference.low, reference.high))


def test_holm_agrees_with_statsmodels_and_leaves_out_what_cannot_be_tested() -> None:
    some = [compare(SECOND, FIRST), compare([1.5, 2.5, 3.5], [1, 2, 3]), compare(FIRST, SECOND[::-1])]
    assert math.isnan(some[1].p_value)  # every pair differs alike
    found = with_holm(some)
    expected = multipletests([some[0].p_value, some[2].p_value], method="holm")[1]
    assert [found[0].adjusted, found[2].adjusted] == pytest.approx(list(expected))
    assert math.isnan(found[1].adjusted)


@pytest.mark.parametrize("pairs", [3, 5, 20])
def test_power_agrees_with_statsmodels(pairs: int) -> None:
    effect = detectable_difference(0.02, pairs) / 0.02
    assert TTestPower().power(effect, pairs, 0.05) == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize(("difference", "deviation"), [(0.01, 0.02), (0.005, 0.02), (0.03, 0.02)])
def test_the_number_of_pairs_is_the_least_that_is_enough(difference: float, deviation: float) -> None:
    found = needed_pairs(difference, deviation)
    assert found is not None
    power = [TTestPower().power(difference / deviation, pairs, 0.05) for pairs in (found - 1, found)]
    assert power[0] < 0.8 <= power[1]


def test_a_difference_of_nothing_needs_more_pairs_than_anybody_has() -> None:
    assert needed_pairs(0.0, 0.1) is None
    assert compare(FIRST, FIRST).p_value == 1.0


def test_overlapping_training_parts_widen_an_interval_as_nadeau_and_bengio_do() -> None:
    plain, corrected = compare(SECOND, FIRST), compare(SECOND, FIRST, overlap=0.25)
    widths = [found.interval[1] - found.interval[0] for found in (plain, corrected)]
    assert widths[1] / widths[0] == pytest.approx(math.sqrt((1 / 6 + 0.25) * 6))
    assert corrected.p_value > plain.p_value
    assert corrected.detectable > plain.detectable


@given(st.lists(st.tuples(values, values), min_size=3, max_size=12))
@settings(max_examples=40, deadline=None)
def test_a_comparison_the_other_way_round_is_its_mirror_image(pairs: list[tuple[float, float]]) -> None:
    first, second = zip(*pairs, strict=True)
    one, other = compare(second, first), compare(first, second)
    assert one.difference == pytest.approx(-other.difference, abs=1e-9)
    assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]), abs=1e-9, nan_ok=True)
    assert one.p_value == pytest.approx(other.p_value, nan_ok=True)
    assert one.effect == pytest.approx(-other.effect, nan_ok=True)


@pytest.mark.parametrize(("pairs", "overlap"), [(3, 0.0), (5, 0.0), (20, 0.0)])
def test_the_t_interval_covers_the_truth_as_often_as_it_says(pairs: int, overlap: float) -> None:
    random = np.random.default_rng(pairs)
    covered = []
    for _ in range(1500):
        first = random.normal(0.9, 0.02, pairs)
        low, high = spread(list(random.normal(0.01, 0.01, pairs) + first - first), overlap=overlap).interval
        covered.append(low <= 0.01 <= high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_the_bootstrap_covers_nearly_as_often_with_twenty_values_and_less_with_five() -> None:
    random = np.random.default_rng(0)
    coverage = {}
    for count in (5, 20):
        intervals = [bootstrap_interval(random.normal(0, 1, count)) for _ in range(150)]
        coverage[count] = np.mean([low <= 0 <= high for low, high in intervals])
    assert coverage[20] > 0.87
    assert 0.7 < coverage[5] < coverage[20] + 0.02  # the summary says so


def test_shares_of_the_variance_add_up() -> None:
    found = variance_shares({"order": [1.0, 2.0, 3.0], "split": [1.0, 3.0, 5.0]})
    assert found["order"] == (pytest.approx(1.0), pytest.approx(0.2))
    assert found["split"] == (pytest.approx(2.0), pytest.approx(0.8))


@pytest.mark.parametrize("one", [[0.5], [0.5, 0.5], [0.5, 0.5, 0.5], [0.90, 0.85, 0.80]])
def test_runs_without_a_spread_give_no_false_certainty(one: list[float]) -> None:
    found = compare([round(value + 0.05, 2) for value in one], one)  # but for what rounding leaves, all differ alike
    assert math.isnan(found.p_value)
    assert math.isnan(found.effect)
    assert math.isnan(found.detectable)
