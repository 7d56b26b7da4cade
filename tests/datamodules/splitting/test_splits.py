"""Splits: no sample in two parts, every class in proportion, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from datamodules import Digits, SplitOptions, make_split
from datamodules.splitting.splits import k_fold, quantile_bins
from datamodules.splitting.subsets import nested_subset

seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=40, deadline=None)


@st.composite
def shuffled_labels(draw, least=20, most=60):
    counts = draw(st.lists(st.integers(least, most), min_size=2, max_size=6))
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(draw(seeds)).permutation(labels)


def split_of(labels, **options):
    return make_split(labels, SplitOptions(**options), num_samples=len(labels))


def class_counts(labels, indices):
    return np.bincount(labels[indices], minlength=labels.max() + 1)


def assert_in_proportion(labels, part, whole):
    expected = class_counts(labels, whole) * len(part) / len(whole)
    assert np.abs(class_counts(labels, part) - expected).max() <= 1 + 1e-9


@pytest.fixture(scope="module")
def digit_labels():
    return load_digits().target


@quick
@given(labels=shuffled_labels(), val=st.floats(0.1, 0.5), test=st.floats(0.1, 0.5), seed=seeds)
def test_every_sample_is_in_exactly_one_part(labels, val, test, seed):
    split = split_of(labels, val_fraction=val, test_fraction=test, seed=seed)
    together = np.concatenate([split.train, split.val, split.test])
    assert np.array_equal(np.sort(together), np.arange(len(labels)))


@quick
@given(labels=shuffled_labels(), val=st.floats(0.1, 0.5), test=st.floats(0.1, 0.5), seed=seeds)
def test_every_part_holds_each_class_in_proportion_to_within_one_sample(labels, val, test, seed):
    split = split_of(labels, val_fraction=val, test_fraction=test, seed=seed)
    pool = np.concatenate([split.train, split.val])
    assert_in_proportion(labels, split.test, np.arange(len(labels)))
    assert_in_proportion(labels, split.val, pool)
    assert_in_proportion(labels, split.train, pool)


@quick
@given(labels=shuffled_labels(), seed=seeds)
def test_the_same_seed_gives_the_same_split(labels, seed):
    first, second = split_of(labels, seed=seed), split_of(labels, seed=seed)
    assert all(np.array_equal(first.parts()[part], second.parts()[part]) for part in first.parts())


def test_another_seed_gives_another_split(digit_labels):
    splits = [split_of(digit_labels, seed=seed) for seed in range(10)]
    for part in ("train", "val", "test"):
        assert len({split.parts()[part].tobytes() for split in splits}) == 10


def test_the_split_does_not_depend_on_the_batch_size():
    small, large = Digits(batch_size=7, eval_batch_size=3), Digits(batch_size=500)
    small.setup()
    large.setup()
    assert small.manifest == large.manifest


def test_counts_are_exact(digit_labels):
    split = split_of(digit_labels, val_size=123, test_size=456, train_size=789)
    assert (len(split.train), len(split.val), len(split.test)) == (789, 123, 456)


def test_a_count_wins_over_a_fraction(digit_labels):
    split = split_of(digit_labels, val_size=100, val_fraction=0.5, test_size=200, test_fraction=0.5)
    assert (len(split.val), len(split.test)) == (100, 200)


def test_fractions_are_of_what_they_say_they_are(digit_labels):
    split = split_of(digit_labels, test_fraction=0.2, val_fraction=0.1, train_fraction=0.5)
    assert len(split.test) == round(0.2 * 1797)
    assert len(split.val) == round(0.1 * (1797 - 359))
    assert len(split.train) == round(0.5 * (1797 - 359 - 144))


@quick
@given(seed=seeds, val=st.floats(0.05, 0.5), test=st.floats(0.05, 0.9), folds=st.none() | st.integers(2, 5))
def test_the_official_test_part_is_kept_whatever_the_options_say(seed, val, test, folds):
    labels, official = np.tile(np.arange(4), 50), np.arange(120, 160)
    options = SplitOptions(val_fraction=val, test_fraction=test, test_size=7, folds=folds, seed=seed)
    split = make_split(labels, options, num_samples=200, official_test=official)
    assert np.array_equal(split.test, official)
    assert not np.isin(official, np.concatenate([split.train, split.val])).any()


@quick
@given(labels=shuffled_labels(), folds=st.integers(2, 10), seed=seeds)
def test_the_folds_are_disjoint_cover_the_pool_and_share_one_test_part(labels, folds, seed):
    splits = [split_of(labels, folds=folds, fold=fold, seed=seed) for fold in range(folds)]
    pool = np.setdiff1d(np.arange(len(labels)), splits[0].test)
    assert np.array_equal(np.sort(np.concatenate([split.val for split in splits])), pool)
    assert all(np.array_equal(split.test, splits[0].test) for split in splits)
    assert all(np.array_equal(np.union1d(split.train, split.val), pool) for split in splits)


@quick
@given(labels=shuffled_labels(), folds=st.integers(2, 10), seed=seeds)
def test_every_fold_holds_as_many_of_a_class_as_any_other_to_within_one(labels, folds, seed):
    pool = np.arange(len(labels))
    counts = [class_counts(labels, k_fold(pool, labels, folds, fold, seed)[1]) for fold in range(folds)]
    assert np.ptp(counts, axis=0).max() <= 1


@quick
@given(labels=shuffled_labels(), seed=seeds, sizes=st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_a_smaller_training_subset_lies_inside_a_larger_one(labels, seed, sizes):
    counts = sorted(max(1, round(size * len(labels))) for size in sizes)
    subsets = [nested_subset(np.arange(len(labels)), labels, count, seed) for count in counts]
    for count, smaller, larger in zip(counts, subsets, subsets[1:], strict=False):
        assert len(smaller) == count
        assert np.isin(smaller, larger).all()


def test_one_percent_lies_inside_ten_percent_inside_the_whole_training_part(digit_labels):
    whole = split_of(digit_labels)
    tenth = split_of(digit_labels, train_fraction=0.1)
    hundredth = split_of(digit_labels, train_fraction=0.01)
    assert set(hundredth.train) < set(tenth.train) < set(whole.train)
    assert np.array_equal(hundredth.test, whole.test)
    assert np.array_equal(hundredth.val, whole.val)


def test_a_training_subset_of_digits_holds_each_class_in_proportion(digit_labels):
    whole = np.arange(len(digit_labels))
    for count in range(10, len(whole), 37):
        assert_in_proportion(digit_labels, nested_subset(whole, digit_labels, count, seed=0), whole)


@quick
@given(sizes=st.lists(st.integers(1, 300), min_size=2, max_size=12), fraction=st.floats(0, 1), seed=seeds)
@example(sizes=[1000] + [10] * 9, fraction=0.1, seed=0)
@example(sizes=[60] * 10, fraction=0.43, seed=0)
def test_a_training_subset_holds_each_class_in_proportion_the_closer_the_rarer_it_is(sizes, fraction, seed):
    labels, sizes = np.repeat(np.arange(len(sizes)), sizes), np.array(sizes)
    count = max(round(fraction * len(labels)), 1)
    taken = class_counts(labels, nested_subset(np.arange(len(labels)), labels, count, seed))
    off = np.abs(taken - count * sizes / len(labels))
    assert (off <= 0.5 + len(sizes) * sizes / (2 * len(labels)) + 1e-9).all()


@quick
@given(n=st.integers(10, 200), seed=seeds, folds=st.none() | st.integers(2, 5))
def test_an_unstratified_split_covers_everything_once(n, seed, folds):
    options = SplitOptions(folds=folds, seed=seed)
    split = make_split(None, options, num_samples=n)
    assert np.array_equal(np.sort(np.concatenate(list(split.parts().values()))), np.arange(n))


def test_the_whole_training_part_may_be_asked_for_by_count(digit_labels):
    assert np.array_equal(split_of(digit_labels, train_size=1294).train, split_of(digit_labels).train)


@quick
@given(n=st.integers(20, 200), bins=st.integers(2, 10), seed=seeds)
def test_quantile_bins_are_equally_full_and_ordered_as_the_targets(n, bins, seed):
    targets = np.random.default_rng(seed).normal(size=n)
    binned = quantile_bins(targets, bins)
    assert np.abs(np.bincount(binned, minlength=bins) - n / bins).max() < 2
    assert (np.diff(binned[np.argsort(targets)]) >= 0).all()


def test_a_split_stratified_by_quantile_bins_gives_every_part_the_whole_range():
    targets = np.random.default_rng(0).exponential(size=1000)
    split = make_split(quantile_bins(targets, 10), SplitOptions(), num_samples=1000)
    for part in split.parts().values():
        assert np.abs(np.searchsorted(np.sort(targets), np.median(targets[part])) - 500) < 100
        assert targets[part].max() > np.quantile(targets, 0.9)


SPLIT_OF_DIGITS = {"train": "c51b75594e8a3948", "val": "d0ca591ea67f5ac6", "test": "efcb22ec4da0ff2e"}
FOLD_OF_DIGITS = {"train": "ecd455207f94d4fc", "val": "0447948b69f7e311", "test": "b4eeee01a11cbed9"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, SPLIT_OF_DIGITS),
        ({"folds": 5, "fold": 2, "train_fraction": 0.5, "seed": 3}, FOLD_OF_DIGITS),
    ],
)
def test_the_split_of_digits_is_the_one_it_has_always_been(options, expected):
    """An upgrade of NumPy or scikit-learn that changes splits would make old runs incomparable unseen."""
    data = Digits(split=SplitOptions(**options))
    data.setup()
    assert {name: part["sha256"][:16] for name, part in data.manifest["parts"].items()} == expected


@pytest.mark.parametrize("folds", [None, 5])
def test_a_test_part_is_drawn_outside_an_official_validation_part(digit_labels, folds):
    official = np.arange(0, len(digit_labels), 5)
    split = make_split(digit_labels, SplitOptions(folds=folds), num_samples=len(digit_labels), official_val=official)
    assert len(np.intersect1d(split.test, official)) == 0
    assert len(split.test) == round(0.2 * (len(digit_labels) - len(official)))
    assert folds or (split.val == official).all()
