"""Splits of samples with several labels: each label in proportion, rare ones in every part, the same for one seed."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from datamodules import DataError, SplitOptions, make_split
from datamodules.splitting.multi_label import divide, k_fold_labels, nested_label_subset

seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=40, deadline=None)


@st.composite
def label_matrices(draw, least=20, most=120):
    random = np.random.default_rng(draw(seeds))
    samples, number = draw(st.integers(least, most)), draw(st.integers(1, 8))
    return random.random((samples, number)) < random.beta(0.5, 2, number)


def with_rare_labels(samples=200, rare=(3, 4, 5)):
    """Two frequent labels that go together, and rare ones, of which a sample may have several."""
    random = np.random.default_rng(0)
    first = random.random(samples) < 0.5
    columns = [first, first & (random.random(samples) < 0.7)]
    for count in rare:
        column = np.zeros(samples, dtype=bool)
        column[random.choice(samples, count, replace=False)] = True
        columns.append(column)
    return np.stack(columns, axis=1)


def off(labels, subset_of, sizes):
    """Return by how many samples each label is off its share of each subset, (subsets, L)."""
    counts = np.stack([labels[subset_of == number].sum(0) for number in range(len(sizes))])
    return np.abs(counts - np.outer(sizes, labels.sum(0)) / len(labels))


@quick
@given(labels=label_matrices(), val=st.floats(0.1, 0.5), test=st.floats(0.1, 0.5), seed=seeds)
def test_every_sample_is_in_exactly_one_part_of_the_size_asked_for(labels, val, test, seed):
    labels[:, 0] = True  # each label that is there at all reaches training
    labels = labels[:, labels.any(0)]
    options = SplitOptions(val_fraction=val, test_fraction=test, seed=seed)
    split = make_split(labels, options, num_samples=len(labels))
    together = np.concatenate([split.train, split.val, split.test])
    assert np.array_equal(np.sort(together), np.arange(len(labels)))
    assert len(split.test) == max(round(test * len(labels)), 1)
    assert len(split.val) == max(round(val * (len(labels) - len(split.test))), 1)


@quick
@given(labels=label_matrices(least=60), seed=seeds, share=st.floats(0.1, 0.5))
def test_labels_are_much_closer_to_their_share_than_by_a_plain_random_draw(labels, seed, share):
    held_out = round(share * len(labels))
    labels = labels[:, labels.sum(0) * share >= 1]  # a rarer one is given to both parts
    assume(labels.shape[1])
    sizes = (len(labels) - held_out, held_out)
    shuffled = [np.random.RandomState(draw).permutation(np.repeat([0, 1], sizes)) for draw in range(30)]
    by_chance = np.mean([off(labels, subset_of, sizes) for subset_of in shuffled])
    assert off(labels, divide(labels, sizes, seed), sizes).mean() <= max(0.7 * by_chance, 1.0)  # or within a sample


@quick
@given(labels=label_matrices(), seed=seeds)
def test_one_label_or_labels_that_exclude_each_other_are_split_as_classes_are(labels, seed):
    labels = np.eye(3, dtype=bool)[np.random.default_rng(seed).integers(0, 3, len(labels))]
    sizes = (len(labels) - 8, 8)
    assert off(labels, divide(labels, sizes, seed), sizes).max() <= 1 + 1e-9


@pytest.mark.parametrize("seed", range(20))
def test_a_label_with_three_samples_is_in_each_of_the_three_parts(seed):
    labels = with_rare_labels()
    split = make_split(labels, SplitOptions(seed=seed), num_samples=len(labels))
    assert all(labels[part].any(0).all() for part in split.parts().values())


@pytest.mark.parametrize("seed", [3, 28, 48, 50, 67, 204, 214, 240])
def test_rare_labels_that_share_samples_reach_each_part_by_an_exchange(seed):
    labels = np.random.default_rng(seed).random((40, 6)) < 0.12  # the paper's algorithm alone leaves one out
    parts = divide(labels, (24, 8, 8), seed)
    enough = labels.sum(0) >= 3
    assert all(labels[parts == part][:, enough].any(0).all() for part in range(3))
    assert np.bincount(parts).tolist() == [24, 8, 8]


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_folds_of_one_seed_cover_the_samples_once_and_hold_each_label(folds):
    labels = with_rare_labels(rare=(5, 8))
    indices = np.arange(3, len(labels))
    parts = [k_fold_labels(indices, labels, folds, fold, seed=4) for fold in range(folds)]
    assert np.array_equal(np.sort(np.concatenate([val for _, val in parts])), indices)
    assert all(np.array_equal(np.union1d(*part), indices) for part in parts)
    assert all(labels[val].any(0).all() for _, val in parts)


@quick
@given(labels=label_matrices(), seed=seeds, data=st.data())
def test_a_smaller_subset_lies_inside_a_larger_one_and_keeps_the_proportions(labels, seed, data):
    indices = np.flatnonzero(np.random.default_rng(seed).random(len(labels)) < 0.8)
    small, large = sorted(data.draw(st.lists(st.integers(0, len(indices)), min_size=2, max_size=2)))
    inner, outer = (nested_label_subset(indices, labels, count, seed) for count in (small, large))
    assert (len(inner), len(outer)) == (small, large)
    assert np.isin(inner, outer).all()
    assert np.isin(outer, indices).all()
    if small:
        shares = labels[indices].mean(0) * small
        assert np.abs(labels[inner].sum(0) - shares).mean() <= np.log2(len(labels)) / 2


@quick
@given(labels=label_matrices(), seed=seeds)
def test_the_same_seed_gives_the_same_split(labels, seed):
    sizes = (len(labels) - 7, 7)
    assert np.array_equal(divide(labels, sizes, seed), divide(labels, sizes, seed))


def test_the_train_size_is_exact_and_nested():
    labels = with_rare_labels()
    sizes = [make_split(labels, SplitOptions(train_size=size), num_samples=200).train for size in (30, 60, 144)]
    assert [len(train) for train in sizes] == [30, 60, 144]
    assert np.isin(sizes[0], sizes[1]).all()
    assert labels[sizes[0]].any(0).all(), "a rare label comes early"


def test_a_label_that_training_lacks_is_refused_by_name():
    labels = with_rare_labels()
    labels[:, 3] = False
    with pytest.raises(DataError, match="label 'c' has no sample in the train part"):
        make_split(labels, SplitOptions(), num_samples=200, names=("a", "b", "0", "c", "d"))


def grouped(seed, num_groups=200):
    """Return labels, of which two are rare, and groups of 1 to 12 samples that are alike."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 13, num_groups)
    means = random.beta(1, 3, (num_groups, 6)) * [1, 1, 0.6, 0.06, 0.04, 0.5]
    groups = np.repeat(np.arange(num_groups), sizes)
    return random.random((len(groups), 6)) < means[groups], groups


@settings(max_examples=15, deadline=None)
@given(seed=seeds, folds=st.sampled_from([None, 4]))
def test_no_group_is_divided_and_labels_are_in_proportion_as_far_as_groups_allow(seed, folds):
    labels, groups = grouped(seed)
    split = make_split(labels, SplitOptions(groups=list(groups), folds=folds), num_samples=len(groups))
    parts = list(split.parts().values())
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(groups)))
    held = [set(groups[part]) for part in parts]
    assert sum(map(len, held)) == len(set(groups))
    frequent = labels[:, :3]
    for part in parts:
        assert np.abs(frequent[part].mean(0) - frequent.mean(0)).max() < 0.04


def test_groups_of_one_sample_are_dealt_by_their_labels():
    labels = with_rare_labels()
    for seed in range(5):
        split = make_split(labels, SplitOptions(groups=list(range(200)), seed=seed), num_samples=200)
        assert len(split.test) == 40
        assert all(np.abs(labels[part].mean(0) - labels.mean(0)).max() < 0.06 for part in split.parts().values())
        assert labels[split.train].any(0).all()


def test_a_training_subset_of_whole_groups_lies_inside_a_larger_one_and_has_the_labels():
    labels, groups = grouped(0)
    small, large = (
        make_split(labels, SplitOptions(groups=list(groups), train_fraction=fraction), num_samples=len(groups)).train
        for fraction in (0.4, 0.8)
    )
    assert set(small) < set(large)
    assert np.abs(labels[small].mean(0) - labels.mean(0)).max() < 0.1


def test_a_label_of_one_group_alone_is_trained_on():
    labels, groups = grouped(1)
    labels[:, 5] = groups == 7
    for seed in range(10):
        split = make_split(labels, SplitOptions(groups=list(groups), seed=seed), num_samples=len(groups))
        assert labels[split.train, 5].any()


@pytest.mark.parametrize("by", ["by_time", "given"])
def test_parts_that_labels_do_not_decide_are_taken_as_they_are(by):
    labels = np.zeros((40, 2), dtype=bool)
    labels[::2, 0] = True
    labels[36:, 1] = True  # in the test part alone
    values = {"by_time": list(range(40)), "given": ["train"] * 24 + ["val"] * 8 + ["test"] * 8}[by]
    split = make_split(labels, SplitOptions(**{by: values}, test_size=8, val_size=8), num_samples=40)
    assert split.test.tolist() == list(range(32, 40))
