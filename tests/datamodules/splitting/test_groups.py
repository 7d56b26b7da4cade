"""Groups: none in two parts, classes as balanced as whole groups allow, impossible wishes refused by name."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from datamodules import DataError, Digits, Samples, SplitOptions, make_split
from datamodules.splitting.group_balance import deal_groups
from datamodules.splitting.groups import join_identical, nested_groups, read_groups

seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=25, deadline=None)
CLASS_SHARES = np.array([0.6, 0.3, 0.07, 0.02, 0.01])


def table(seed, num_groups=300, spread=3.0):
    """Return labels and groups of a table: groups of 1 to 40 rows; two of the five classes are rare."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 41, num_groups)
    groups = random.permutation(np.repeat(np.arange(num_groups), sizes))
    limits = random.dirichlet(CLASS_SHARES * spread + 1e-3, num_groups)[:, :-1].cumsum(axis=1)
    return (random.random(len(groups)) > limits.T[:, groups]).sum(axis=0), groups


def split_of(labels, groups, **options):
    return make_split(labels, SplitOptions(groups=groups, **options), num_samples=len(groups))


def assert_no_group_in_two_parts(split, groups):
    train, val, test = (np.unique(groups[indices]) for indices in split.parts().values())
    assert len(np.unique(np.concatenate([train, val, test]))) == len(train) + len(val) + len(test)


def group_counts(labels, groups):
    classes = labels.max() + 1
    counts = np.bincount(groups * classes + labels, minlength=(groups.max() + 1) * classes)
    return counts.reshape(-1, classes)


def off(held, whole):
    """Return the largest distance of a class's share in a part, (..., C), from its share in the whole."""
    return np.abs(held / held.sum(-1, keepdims=True) - whole / whole.sum()).max(-1)


def best_of_random(counts, wanted, draws, seed):
    """Return the smallest distance that random assignments of groups to two parts reach, the worse part counting.

    As in a split, the test part has every class, and so have training and validation.
    """
    random = np.random.default_rng(seed)
    orders = np.argsort(random.random((draws, len(counts))), axis=1)
    taken = np.zeros((draws, len(counts)))
    np.put_along_axis(taken, orders, np.cumsum(counts.sum(1)[orders], axis=1) <= wanted, axis=1)
    held, groups = taken @ counts, taken @ (counts > 0)
    possible = ((groups >= 1) & ((counts > 0).sum(0) - groups >= 2)).all(1)
    off_by = np.maximum(off(held, counts.sum(0)), off(counts.sum(0) - held, counts.sum(0)))
    return np.where(possible, off_by, np.inf).min()


def rare_classes_in_three_groups(labels, groups):
    """Return labels in which classes that lie in fewer groups, and would be refused, are those of class 0."""
    lie_in = (group_counts(labels, groups) > 0).sum(axis=0)
    present = np.flatnonzero(lie_in >= 3)
    return np.searchsorted(present, np.where(lie_in[labels] < 3, 0, labels))


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=300, deadline=None)
@given(data_seed=seeds, seed=seeds, spread=st.sampled_from([0.5, 3.0, 30.0]))
def test_no_group_of_300_with_rare_classes_is_ever_in_two_parts(data_seed, seed, spread):
    labels, groups = table(data_seed, spread=spread)
    split = split_of(rare_classes_in_three_groups(labels, groups), groups, seed=seed)
    assert_no_group_in_two_parts(split, groups)
    assert len(np.concatenate(list(split.parts().values()))) == len(labels)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(data_seed=seeds, seed=seeds, spread=st.sampled_from([0.5, 3.0, 30.0]))
@example(data_seed=2152, seed=0, spread=0.5)  # a class in three groups, with 31, 2 and 1 samples
def test_300_groups_with_rare_classes_are_balanced_as_the_best_of_1000_random_assignments(data_seed, seed, spread):
    labels, groups = table(data_seed, spread=spread)
    labels = rare_classes_in_three_groups(labels, groups)
    split = split_of(labels, groups, seed=seed)
    counts = group_counts(labels, groups)
    test = np.bincount(labels[split.test], minlength=counts.shape[1])
    ours = max(off(test, counts.sum(0)), off(counts.sum(0) - test, counts.sum(0)))
    best = best_of_random(counts, round(0.2 * len(labels)), 1000, data_seed)
    assert ours <= best + 0.5 / len(split.test)  # half a sample


@quick
@given(data_seed=seeds, seed=seeds, folds=st.none() | st.integers(2, 5), size=st.none() | st.floats(0.3, 1))
def test_no_group_is_in_two_parts(data_seed, seed, folds, size):
    labels, groups = table(data_seed, num_groups=80)
    labels = labels % 2
    whole = split_of(labels, groups, seed=seed, folds=folds)
    split = split_of(labels, groups, seed=seed, folds=folds, train_fraction=size or 1.0)
    assert_no_group_in_two_parts(split, groups)
    assert set(split.train) <= set(whole.train)
    kept = np.isin(groups, groups[split.train])
    assert len(split.train) == np.isin(groups[whole.train], groups[split.train]).sum(), "whole groups"
    assert kept.sum() == len(split.train)


@quick
@given(data_seed=seeds, seed=seeds, folds=st.integers(2, 6))
def test_folds_of_groups_are_disjoint_cover_the_pool_and_are_equally_large(data_seed, seed, folds):
    _, groups = table(data_seed, num_groups=80)
    splits = [split_of(None, groups, seed=seed, folds=folds, fold=fold) for fold in range(folds)]
    pool = np.setdiff1d(np.arange(len(groups)), splits[0].test)
    assert np.array_equal(np.sort(np.concatenate([split.val for split in splits])), pool)
    assert np.ptp([len(split.val) for split in splits]) <= 4
    for split in splits:
        assert_no_group_in_two_parts(split, groups)


@quick
@given(data_seed=seeds, seed=seeds, sizes=st.lists(st.integers(60, 900), min_size=2, max_size=4))
def test_smaller_subsets_of_groups_lie_inside_larger_ones_and_are_no_larger_than_asked_for(data_seed, seed, sizes):
    labels, groups = table(data_seed, num_groups=80)
    known, everything = read_groups(groups), np.arange(len(groups))
    sizes = sorted(min(size, len(groups)) for size in sizes)
    subsets = [nested_groups(known, everything, labels, size, seed) for size in sizes]
    for size, subset in zip(sizes, subsets, strict=True):
        assert size - 40 < len(subset) <= size
    for smaller, larger in pairwise(subsets):
        assert np.isin(smaller, larger).all()


def test_the_same_seed_gives_the_same_groups_and_another_seed_others():
    labels, groups = table(0)
    first, second, other = (split_of(labels, groups, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.test, second.test)
    assert len(np.intersect1d(groups[first.test], groups[other.test])) < 0.5 * len(np.unique(groups[first.test]))


def test_groups_are_the_same_whatever_they_are_called():
    labels, groups = table(0)
    names = np.array([f"patient {group:04d}" for group in groups])
    assert np.array_equal(split_of(labels, groups + 10_000).test, split_of(labels, names).test)
    assert np.array_equal(split_of(labels, list(names)).test, split_of(labels, names).test)


FIRST_GROUPS = [5, 17, 22, 29, 31, 36, 37, 41, 44, 48, 50, 66]


def test_the_deal_of_a_grouped_split_is_the_one_it_has_always_been():
    """Whole-number costs: no order of summation, hence no machine or library, changes a split."""
    labels, groups = table(0)
    counts = group_counts(labels, groups)
    part = deal_groups(counts, counts.sum(axis=1), [1000, int(counts.sum()) - 1000], [1, 2], 0)
    assert np.flatnonzero(part == 0)[:12].tolist() == FIRST_GROUPS


def test_each_class_gets_a_group_in_each_part_if_it_has_three():
    groups = np.repeat(np.arange(60), 20)
    labels = (groups < 3).astype(np.int64)
    for seed in range(20):
        split = split_of(labels, groups, seed=seed)
        assert all(labels[indices].any() for indices in split.parts().values())


@pytest.mark.parametrize(
    ("groups", "labels", "options", "message"),
    [
        (
            ["p1"] * 20,
            None,
            {},
            r"^split\.groups: there is only one group, 'p1'; the test part, the validation part and",
        ),
        (["p1", "p2"] * 10, None, {}, r"there is only 2 groups \('p1', 'p2'\)"),
        (list("abcde") * 9, [0, 0, 0, 0, 1] * 9, {}, r"class 'rare' is only in one group, 'e'; .* leave the class out"),
        (list("abcde") * 9, [0, 0, 0, 1, 1] * 9, {}, r"class 'rare' is only in 2 groups \('d', 'e'\)"),
        (
            list("abcde") * 9,
            None,
            {"folds": 8},
            r"only 5 groups \('a', 'b', 'c', …\); 9 folds and parts need a group each",
        ),
        (list("abcde") * 9, None, {"folds": 4, "fold": 4}, r"split\.fold: 4 is not between 0 and 3"),
        (list("abcde") * 9, None, {"train_size": 5}, r"split\.train_size: 5 samples hold no whole group; .* has 9"),
        ([*"abcd", ""] * 9, None, {}, r"split\.groups: sample 4 has no group \(9 in all have none\)"),
        ([1.0, 2.0, float("nan")] * 9, None, {}, r"split\.groups: sample 2 has no group"),
        (list("abc"), None, {}, r"split\.groups: \(3,\) values for 45 samples"),
        ("patient", None, {}, r"split\.groups: 'patient' needs a datamodule"),
    ],
)
def test_a_wish_that_groups_make_impossible_is_refused_with_what_makes_it_so(groups, labels, options, message):
    strata = None if labels is None else np.array(labels)
    count = 45 if len(groups) in (3, 7) else len(groups)
    with pytest.raises(DataError, match=message):
        make_split(strata, SplitOptions(groups=groups, **options), num_samples=count, names=("common", "rare"))


def test_a_part_far_from_its_size_is_warned_of_with_the_largest_group():
    groups = ["giant"] * 50 + ["small"] * 3 + ["tiny"] * 2
    with pytest.warns(UserWarning, match=r"the val part has \d+ samples, not \d+: .*'giant', has 50"):
        split = make_split(None, SplitOptions(groups=groups, test_size=2, val_size=20), num_samples=55)
    assert_no_group_in_two_parts(split, np.array(groups))


def test_groups_across_an_official_border_are_warned_of_and_counted():
    groups, official = np.repeat(np.arange(20), 5), np.arange(88, 100)
    with pytest.warns(UserWarning, match=r"1 group lies both in the test part and outside it, with 3 samples there"):
        split = make_split(None, SplitOptions(groups=groups), num_samples=100, official_test=official)
    assert np.array_equal(split.test, official)
    assert not set(groups[split.train]) & set(groups[split.val])


@quick
@given(seed=seeds, num_groups=st.integers(1, 8), contents=st.integers(1, 30))
def test_identical_samples_and_those_of_a_group_are_joined_and_nothing_else(seed, num_groups, contents):
    random = np.random.default_rng(seed)
    groups, content = random.integers(0, num_groups, 30), random.integers(0, contents, 30)
    joined = join_identical(read_groups(groups), content).of
    expected = np.arange(30)  # the smallest sample that is reached, by a fixed point
    for _ in range(30):
        for values in (groups, content):
            for value in np.unique(values):
                expected[values == value] = expected[values == value].min()
    assert np.array_equal(joined, np.unique(expected, return_inverse=True)[1])


class Repeated(Digits):
    """400 digits, each five times: the copies give the answer away."""

    def load(self):
        samples = super().load()
        return Samples(samples.inputs[:400].repeat(5, 1, 1, 1), samples.targets[:400].repeat(5))


class Patients(Digits):
    """Random labels of 120 "patients", whose images are nearly the same: nothing but the patient can be learnt."""

    def load(self):
        random = np.random.default_rng(0)
        faces = random.integers(0, 200, (120, 1, 8, 8))
        inputs = faces.repeat(10, axis=0) + random.integers(0, 20, (1200, 1, 8, 8))
        return Samples(
            torch.from_numpy(inputs.astype(np.uint8)), torch.from_numpy(np.arange(120) % 10).repeat_interleave(10)
        )


def accuracy(data):
    data.setup()
    inputs, targets = data.samples.inputs.flatten(1).numpy(), data.samples.targets.numpy()
    nearest = KNeighborsClassifier(1).fit(inputs[data.split.train], targets[data.split.train])
    return nearest.score(inputs[data.split.test], targets[data.split.test])


def test_without_groups_a_test_part_praises_what_was_memorised():
    patients = np.arange(120).repeat(10)
    assert accuracy(Patients()) > 0.99
    assert accuracy(Patients(split=SplitOptions(groups=patients.tolist()))) < 0.25


@pytest.mark.filterwarnings("error:.*byte-identical")
def test_grouped_duplicates_are_never_in_two_parts():
    data = Repeated(split=SplitOptions(duplicates="group"))
    data.setup()
    assert data.manifest["duplicates"] == {"train/val": 0, "train/test": 0, "val/test": 0}
    assert sum(map(len, data.split.parts().values())) == 2000
    assert "stratified, grouped by duplicates, 400 groups" in data.describe()


def test_a_training_size_is_what_is_left_after_duplicates_are_dropped():
    class Planted(Digits):
        def load(self):
            samples, clean = super().load(), Digits()
            clean.setup()
            inputs = samples.inputs.clone()
            inputs[clean.split.train[::2]] = inputs[clean.split.test[0]].clone()  # half of the training part
            return Samples(inputs, samples.targets)

    data = Planted(split=SplitOptions(duplicates="drop", train_size=50))
    data.setup()
    assert data.manifest["parts"]["train"]["size"] == 50
    assert data.manifest["duplicates"]["train/test"] == 0
