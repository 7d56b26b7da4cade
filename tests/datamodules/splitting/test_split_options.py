"""Splits that cannot be: each is refused in one line that names the argument, or the class and its count."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from datamodules import DataError, SplitOptions, make_split
from datamodules.splitting.splits import quantile_bins


def split_of(labels, **options):
    return make_split(labels, SplitOptions(**options), num_samples=len(labels))


@pytest.fixture(scope="module")
def digit_labels():
    return load_digits().target


def test_a_class_with_too_few_samples_is_named_with_its_count():
    labels = np.array([0] * 50 + [1] * 50 + [2])
    with pytest.raises(DataError, match=r"class 'zebra' has 1 sample; it needs 3 for the parts train, val, test"):
        make_split(labels, SplitOptions(), num_samples=101, names=("ant", "bee", "zebra"))


def test_a_class_with_fewer_samples_than_folds_is_named_with_its_count():
    labels = np.array([0] * 50 + [1] * 6)
    with pytest.raises(DataError, match=r"class 1 has 5 samples; it needs 8 for 8 folds"):
        make_split(labels, SplitOptions(folds=8), num_samples=56)


def test_a_training_subset_without_one_of_the_classes_is_refused(digit_labels):
    with pytest.raises(DataError, match=r"class \d has no sample in the train part .*train_size"):
        split_of(digit_labels, train_size=9)


@pytest.mark.parametrize(("classes", "each"), [(10, 6), (3, 3), (20, 4), (2, 3)])
def test_parts_given_by_fractions_hold_every_class_of_a_few_samples(classes, each):
    labels = np.repeat(np.arange(classes), each)
    split = make_split(labels, SplitOptions(), num_samples=len(labels))
    assert all(set(labels[indices]) == set(range(classes)) for indices in split.parts().values())


def test_a_test_part_too_small_for_every_class_is_refused(digit_labels):
    with pytest.raises(DataError, match=r"split\.test_size: 9 of 1797 samples cannot hold each of 10 classes"):
        split_of(digit_labels, test_size=9)


@pytest.mark.parametrize(
    ("argument", "options"),
    [
        ("val_size", {"val_size": 0}),
        ("val_size", {"val_size": -1}),
        ("val_size", {"val_size": 1438}),
        ("test_size", {"test_size": 0}),
        ("test_size", {"test_size": 1797}),
        ("train_size", {"train_size": 0}),
        ("train_size", {"train_size": 1295}),
        ("val_fraction", {"val_fraction": 0.0}),
        ("val_fraction", {"val_fraction": 1.0}),
        ("val_fraction", {"val_fraction": float("nan")}),
        ("test_fraction", {"test_fraction": 20}),
        ("test_fraction", {"test_fraction": -0.1}),
        ("train_fraction", {"train_fraction": 0.0}),
        ("train_fraction", {"train_fraction": 1.1}),
        ("folds", {"folds": 1}),
        ("folds", {"folds": 1439}),
        ("fold", {"folds": 5, "fold": 5}),
        ("fold", {"folds": 5, "fold": -1}),
    ],
)
def test_an_argument_out_of_range_is_named(digit_labels, argument, options):
    with pytest.raises(DataError, match=rf"^split\.{argument}: "):
        split_of(digit_labels, **options)


@pytest.mark.parametrize("argument", ["val", "test"])
def test_a_fraction_that_rounds_to_everything_is_refused(argument):
    with pytest.raises(DataError, match=argument):
        make_split(None, SplitOptions(**{f"{argument}_fraction": 0.99}), num_samples=20)


def test_a_negative_seed_is_refused_by_name(digit_labels):
    with pytest.raises(DataError, match=r"split\.seed"):
        split_of(digit_labels, seed=-1)


@pytest.mark.parametrize(("targets", "bins"), [(np.arange(9.0), 1), (np.ones((9, 2)), 3)])
def test_quantile_bins_refuse_one_bin_and_more_than_one_dimension(targets, bins):
    with pytest.raises(DataError, match="stratify_bins"):
        quantile_bins(targets, bins)
