"""Stratified subsets that lie inside each other: the abscissa of a learning curve."""

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


def nested_subset(indices: Indices, strata: Indices | None, count: int, seed: int) -> Indices:
    """Return a stratified subset of `indices`; a smaller one of the same seed lies inside a larger one.

    Each class is shuffled; samples are then taken one by one from the class whose turn it is, in an order that keeps
    every class within one sample of its share at every size (Tijdeman, "The chairman assignment problem", 1980).

    Args:
        indices: Samples to choose from, shape (n,).
        strata: Label of every sample of the dataset, or None for a plain random subset.
        count: Size of the subset, 1 to n.
        seed: Seed of the order.
    """
    shuffled = subset_order(indices, seed)
    if strata is None:
        return np.sort(shuffled[:count])
    _, labels, sizes = np.unique(strata[shuffled], return_inverse=True, return_counts=True)
    members = np.argsort(labels, kind="stable")  # class after class, each in the shuffled order
    taken = _proportional_counts(sizes.astype(np.int64), count)
    starts = np.cumsum(sizes) - sizes
    chosen = [members[start : start + number] for start, number in zip(starts, taken, strict=True)]
    return np.sort(shuffled[np.concatenate(chosen)])


def subset_order(indices: Indices, seed: int) -> Indices:
    """Return samples in the order in which subsets take those of a class."""
    ordered: Indices = np.random.RandomState(seed).permutation(np.sort(indices))
    return ordered


def _proportional_counts(sizes: Indices, count: int) -> Indices:
    """Return how many of the first `count` samples each class gets, shape (C,), in Tijdeman's order."""
    total, classes = int(sizes.sum()), max(len(sizes), 2)
    taken = np.zeros_like(sizes)
    for number in range(1, count + 1):
        behind = number * sizes - taken * total  # `total` times what a class lacks of its share
        due = behind * (2 * classes - 2) >= total
        deadline = (total - total / (2 * classes - 2) - behind) / sizes
        taken[np.where(due, deadline, np.inf).argmin()] += 1
    return taken
