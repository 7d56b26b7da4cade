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
    assert off(labels, divide(labels, sizes, seed), sizes).mean() <= max(0.7 * by_chance, 0.7)


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
