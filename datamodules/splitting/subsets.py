"""Stratified subsets that lie inside each other: the abscissa of a learning curve."""

import numpy as np
import numpy.typing as npt

from datamodules.splitting.multi_label import nested_label_subset

Indices = npt.NDArray[np.int64]


def nested_subset(indices: Indices, strata: Indices | None, count: int, seed: int) -> Indices:
    """Return a stratified subset of `indices`; a smaller one of the same seed lies inside a larger one.

    Each class is shuffled; samples come in the order of (rank in class + 1/2) / class size, and the first `count` are
    taken. This is Webster's (Sainte-Laguë's) method of apportionment. At every size a class of n among N samples is at
    most 1/2 + C n / 2N samples away from its proportion, C being the number of classes: 1 where classes are equally
    frequent, less than that for a rare class, more for a dominant one.

    Args:
        indices: Samples to choose from, shape (n,).
        strata: Class of every sample of the dataset, or its labels (N, L), or None for a plain random subset.
        count: Size of the subset, 1 to n.
        seed: Seed of the order.
    """
    if strata is not None and strata.ndim > 1:
        return nested_label_subset(indices, strata.astype(bool), count, seed)
    shuffled = subset_order(indices, seed)
    if strata is None:
        return np.sort(shuffled[:count])
    _, labels, sizes = np.unique(strata[shuffled], return_inverse=True, return_counts=True)
    by_class = np.argsort(labels, kind="stable")  # class after class, each in the shuffled order
    ranks = np.arange(len(shuffled)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    places = (ranks + 0.5) / np.repeat(sizes, sizes)
    return np.sort(shuffled[by_class[np.argsort(places, kind="stable")[:count]]])


def subset_order(indices: Indices, seed: int) -> Indices:
    """Return samples in the order in which subsets take those of a class."""
    ordered: Indices = np.random.RandomState(seed).permutation(np.sort(indices))
    return ordered
