"""Splits by time: earlier samples train, later ones test, and no moment lies in two parts."""

import datetime

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from datamodules import DataError, Digits, SplitOptions, make_split
from datamodules.splitting.times import read_times

seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=60, deadline=None)


def split_of(times, **options):
    return make_split(None, SplitOptions(by_time=times, **options), num_samples=len(times))


@quick
@given(
    seed=seeds, moments=st.integers(12, 500), gap=st.sampled_from([0.0, 1.0, 3.0]), folds=st.none() | st.integers(2, 4)
)
def test_training_lies_before_validation_before_test_by_the_gap(seed, moments, gap, folds):
    times = np.random.default_rng(seed).integers(0, moments, 300)
    try:
        split = split_of(times, time_gap=gap, folds=folds)
    except DataError as error:  # few moments: a gap, or a fold, may take all there is
        assume("time_gap" not in str(error) and "folds" not in str(error))
        raise
    for earlier, later in ((split.train, split.val), (split.val, split.test)):
        assert times[later].min() - times[earlier].max() >= max(gap, 1), "whole numbers: no moment on both sides"
    if folds is None:
        left_out = np.setdiff1d(np.arange(300), np.concatenate(list(split.parts().values())))
        borders = times[split.val].min(), times[split.test].min()
        assert all(any(border - gap < times[sample] < border for border in borders) for sample in left_out)


@quick
@given(seed=seeds, val=st.floats(0.1, 0.5), test=st.floats(0.1, 0.5))
def test_parts_have_the_sizes_asked_for_if_all_times_differ(seed, val, test):
    times = np.random.default_rng(seed).permutation(200)
    split = split_of(times, val_fraction=val, test_fraction=test)
    assert len(split.test) == round(test * 200)
    assert len(split.val) == round(val * (200 - len(split.test)))
    assert len(split.train) == 200 - len(split.test) - len(split.val)


def test_folds_are_consecutive_blocks_each_trained_on_all_before_it():
    times = np.arange(120)
    splits = [split_of(times, folds=4, fold=fold, test_size=20) for fold in range(4)]
    assert [(split.val.min(), split.val.max()) for split in splits] == [(20, 39), (40, 59), (60, 79), (80, 99)]
    assert [len(split.train) for split in splits] == [20, 40, 60, 80]


@pytest.mark.parametrize(
    "values",
    [
        ["2024-01-01", "2024-01-02 12:00", "2024-01-04T00:00Z"],
        np.array(["2024-01-01", "2024-01-02T12:00", "2024-01-04"], dtype="datetime64[ns]"),
        [datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 2, 12), datetime.datetime(2024, 1, 4)],
    ],
)
def test_dates_are_read_in_days(values):
    times = read_times(np.asarray(values))
    assert times.dates
    assert np.allclose(times.of - times.of[0], [0, 1.5, 3])


def test_numbers_written_as_text_are_numbers():
    times = read_times(np.array(["2019", "2020.5", " 7 "]))
    assert not times.dates
    assert times.of.tolist() == [2019, 2020.5, 7]


@pytest.mark.parametrize(
    ("times", "options", "message"),
    [
        (["2024-01-01", "31.12.2024"] * 9, {}, r"split\.by_time: sample 1 has the time '31\.12\.2024'"),
        (["2024-01-01", ""] * 9, {}, r"split\.by_time: sample 1 has no time \(9 in all"),
        ([1.0, float("inf")] * 9, {}, r"sample 1 has the time inf"),
        ([5] * 18, {}, r"18 samples of the same time, 5, are all that is left for the test part"),
        (
            list(range(18)),
            {"time_gap": 40},
            r"split\.time_gap: 40 leave no sample before the test part, which begins at 14",
        ),
        (
            ["2024-01-01", "2024-01-05", "2024-01-09"] * 6,
            {"time_gap": 40},
            r"split\.time_gap: 40 days leave no .* at 2024-01-09",
        ),
        (list(range(18)), {"time_gap": -1}, r"split\.time_gap: -1 is not"),
        (list(range(18)), {"groups": list(range(18))}, r"split\.by_time and split\.groups both decide the parts"),
        (list(range(18)), {"given": ["train"] * 18}, r"split\.by_time and split\.given both decide the parts"),
        (list(range(18)), {"duplicates": "group"}, r"split\.duplicates: group contradicts split\.by_time"),
        ([0, 1, 2] * 6, {"folds": 4}, r"split\.folds: .* begins at 2, .* times for 4 folds"),
        (None, {"time_gap": 3}, r"split\.time_gap: 3 is a gap between no times; set split\.by_time"),
    ],
)
def test_what_no_time_can_decide_is_refused(times, options, message):
    with pytest.raises(DataError, match=message):
        make_split(None, SplitOptions(by_time=times, **options), num_samples=18)


def test_a_dataset_with_official_parts_has_no_split_by_time():
    with pytest.raises(DataError, match=r"split\.by_time: the dataset has official parts"):
        make_split(None, SplitOptions(by_time=list(range(50))), num_samples=50, official_test=np.arange(10))


def test_a_description_and_a_manifest_state_times_and_what_a_gap_leaves_out():
    data = Digits(split=SplitOptions(by_time=list(range(1797)), time_gap=11))
    assert "by time (1,797 values), gap 11, 20 samples left out" in data.describe()
    assert "stratified" not in data.describe()
    assert data.manifest["left_out"] == 20
    assert data.manifest["times"]["test"] == [1438, 1796]


def test_a_class_that_appears_later_is_warned_of_not_refused():
    labels = np.array([0] * 90 + [1] * 10)
    with pytest.warns(UserWarning, match="class 'new' has no sample in the train part"):
        make_split(labels, SplitOptions(by_time=list(range(100))), num_samples=100, names=("old", "new"))


def test_other_times_are_told_when_a_run_is_resumed():
    one = Digits(split=SplitOptions(by_time=list(range(1797))))
    other = Digits(split=SplitOptions(by_time=list(range(1797, 0, -1))))
    one.setup()
    with pytest.raises(DataError, match=r"split\.by_time was .*sha256.*different samples in train"):
        other.check_same_split(one.manifest)


def test_typed_times_beyond_the_range_of_nanoseconds_keep_their_order():
    typed = read_times(np.array(["2024-01-01", "9999-12-31", "1500-01-01"], dtype="datetime64[us]"))
    assert np.argsort(typed.of).tolist() == [2, 0, 1]


@pytest.mark.parametrize("days", [("2026-1-9", "2026-1-10", "2025-12-31"), ("9.1.2026", "10.1.2026", "31.12.2025")])
def test_dates_are_read_as_those_in_tables_are(days):
    assert np.diff(read_times(np.array(days, dtype=object)).of).tolist() == [1, -10]
