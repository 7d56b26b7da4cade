"""Groups of samples that must stay together, such as the images of one patient."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from datamodules.errors import DataError
from datamodules.splitting.subsets import Indices


@dataclass(frozen=True)
class Groups:
    """The group of each sample.

    Attributes:
        of: Number of each sample's group, (N,), int64, in [0, G).
        names: G names, for messages.
    """

    of: Indices
    names: tuple[str, ...]

    def across(self, indices: Indices, others: Indices) -> tuple[int, int]:
        """Return how many groups lie in both sets of samples, and how many of the first set's samples they hold."""
        shared = np.intersect1d(self.of[indices], self.of[others])
        return len(shared), int(np.isin(self.of[indices], shared).sum())


def read_groups(values: npt.NDArray[Any]) -> Groups:
    """Return the groups of samples that have the same value.

    Args:
        values: One value per sample, (N,): text or numbers.

    Raises:
        DataError: A sample has no value.
    """
    missing = np.flatnonzero(missing_values(values))
    if len(missing):
        raise DataError(f"split.groups: sample {missing[0]} has no group ({len(missing)} in all have none)")
    found, of = np.unique(values if values.dtype.kind in "iu" else values.astype(str), return_inverse=True)
    names, ranks = np.unique(found.astype(str), return_inverse=True)  # numbers are in the order of their texts, too
    return Groups(ranks[of].astype(np.int64), tuple(names.tolist()))


def missing_values(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which values are None, NaN, NaT or empty text, (N,)."""
    if values.dtype.kind in "iub":
        return np.zeros(len(values), dtype=bool)
    if values.dtype.kind == "U":
        blank: npt.NDArray[np.bool_] = np.char.strip(values) == ""
        return blank
    return np.array([value is None or value != value or str(value).strip() == "" for value in values], dtype=bool)


def join_identical(groups: Groups | None, digests: npt.NDArray[np.void]) -> Groups:
    """Return groups that also keep byte-identical samples together.

    Args:
        groups: Groups to join where they share a sample's content; None: identical samples are the only groups.
        digests: Digest of each sample, (N,).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    contents = np.unique(digests, return_inverse=True)[1].astype(np.int64)
    if groups is None:
        of = contents
    else:
        size = len(groups.names) + int(contents.max()) + 1
        ones = np.ones(len(contents), dtype=np.int8)
        bonds = coo_array((ones, (groups.of, len(groups.names) + contents)), shape=(size, size))
        of = connected_components(bonds, directed=False)[1][groups.of]
    _, firsts, of = np.unique(of, return_index=True, return_inverse=True)
    # Numbered by their first samples: the order of digests and components says nothing.
    ranks = np.empty(len(firsts), dtype=np.int64)
    ranks[np.argsort(firsts)] = np.arange(len(firsts))
    firsts = np.sort(firsts)
    names = [f"sample {first}" if groups is None else groups.names[groups.of[first]] for first in firsts]
    return Groups(ranks[of], tuple(names))


def group_order(groups: Groups, indices: Indices, strata: Indices | None, seed: int) -> tuple[Indices, Indices]:
    """Return the groups of `indices` in the order in which training subsets take them, and their sizes, (g,) each.

    A generalisation of `nested_subset`: each group counts for the class of which it holds the largest fraction; groups
    of a class are shuffled and come in the order of the fraction of the class that lies before their middle.
    """
    present, counts, sizes = count_classes(groups, indices, strata)
    totals, classes = counts.sum(axis=0), np.arange(counts.shape[1])
    main = (counts / totals).argmax(axis=1)
    places = np.empty(len(present))
    shuffled = np.random.RandomState(seed).permutation(len(present))
    for label in classes:
        chosen = shuffled[main[shuffled] == label]
        held = sizes[chosen]
        places[chosen] = (np.cumsum(held) - held / 2) / max(int(held.sum()), 1)
    order = shuffled[np.argsort(places[shuffled], kind="stable")]
    return present[order], sizes[order]


def nested_groups(groups: Groups, indices: Indices, strata: Indices | None, count: int, seed: int) -> Indices:
    """Return a subset of whole groups, of at most `count` samples; a smaller one lies inside a larger one.

    Args:
        groups: The groups.
        indices: Samples to choose from, (n,).
        strata: Class of every sample of the dataset, or its labels (N, L); None for a plain random subset.
        count: Largest size of the subset, 1 to n.
        seed: Seed of the order.

    Raises:
        DataError: The first group has more than `count` samples.
    """
    order, sizes = group_order(groups, indices, strata, seed)
    taken = order[np.cumsum(sizes) <= count]
    if len(taken) == 0:
        raise DataError(
            f"split.train_size: {count} samples hold no whole group; the first, {groups.names[order[0]]!r}, "
            f"has {sizes[0]}"
        )
    return np.sort(indices[np.isin(groups.of[indices], taken)])


def count_classes(groups: Groups, indices: Indices, strata: Indices | None) -> tuple[Indices, Indices, Indices]:
    """Return the groups of `indices`, (G,), their samples of each class or label, (G, C), and of all, (G,).

    Args:
        groups: The groups.
        indices: The samples, (n,).
        strata: Class of every sample of the dataset, (N,), or its yes/no labels, (N, L); None: all are of one class.

    Returns:
        Classes and labels that no sample has are left out, unless none has any.
    """
    everywhere = np.bincount(groups.of[indices], minlength=len(groups.names))
    present = np.flatnonzero(everywhere)
    sizes, local = everywhere[present].astype(np.int64), (np.cumsum(everywhere > 0) - 1)[groups.of[indices]]
    if strata is None:
        return present, sizes[:, None], sizes
    if strata.ndim > 1:
        labels = strata[indices].astype(np.int64)
        of_labels = np.zeros((len(present), labels.shape[1]), dtype=np.int64)
        np.add.at(of_labels, local, labels)
        held = of_labels[:, labels.any(0)]
        return present, held if held.shape[1] else sizes[:, None], sizes
    classes, codes = np.unique(strata[indices], return_inverse=True)
    counts = np.bincount(local * len(classes) + codes, minlength=len(present) * len(classes)).astype(np.int64)
    return present, counts.reshape(len(present), len(classes)), sizes
