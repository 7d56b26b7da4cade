"""Splits of samples with several yes/no labels each, every label in proportion: iterative stratification."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from datamodules.errors import DataError

Indices = npt.NDArray[np.int64]
Labels = npt.NDArray[np.bool_]  # (N, L)


def divide(labels: Labels, sizes: Sequence[int], seed: int) -> Indices:
    """Divide samples into subsets of the given sizes, each label in proportion (Sechidis et al., ECML PKDD 2011).

    The paper's algorithm 1: samples of the label with the fewest samples left are dealt out first, each to the subset
    that lacks most of that label. Two things are added. Sizes are exact: a full subset gets nothing more. And a label
    with a sample for each of two subsets is given to both, where that takes it from nobody else: `_give_rare_labels`.

    Args:
        labels: (n, L).
        sizes: Size of each subset, with the sum n.
        seed: Seed of the draws.

    Returns:
        The subset of each sample, (n,).
    """
    random = np.random.RandomState(seed)
    subsets = len(sizes)
    shares = np.asarray(sizes) / max(len(labels), 1)
    room = np.array(sizes, dtype=np.int64)
    wanted = _wanted(labels.sum(0), shares)
    subset_of = np.full(len(labels), -1, dtype=np.int64)
    left = labels.sum(0)
    order = random.permutation(len(labels))
    ties = random.random_sample((len(labels), subsets))

    def deal(sample: int, lacking: npt.NDArray[np.float64]) -> None:
        open_subsets = np.flatnonzero(room > 0)
        best = open_subsets[np.lexsort((ties[sample, open_subsets], -room[open_subsets], -lacking[open_subsets]))[0]]
        subset_of[sample] = best
        room[best] -= 1
        wanted[best] -= labels[sample]
        left[:] -= labels[sample]

    while left.any():
        rarest = int(np.where(left > 0, left, len(labels) + 1).argmin())
        for sample in order[labels[order, rarest] & (subset_of[order] < 0)]:
            deal(sample, wanted[:, rarest])
    for sample in order[subset_of[order] < 0]:
        deal(sample, np.zeros(subsets))
    _give_rare_labels(labels, subset_of, order, subsets)
    return subset_of


def _wanted(counts: Indices, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return how many samples of each label each subset should get, (subsets, L): at least one while there are any.

    The first subsets come first. What a small subset gets beyond its share, the others give up in proportion.
    """
    proportional = shares[:, None] * counts
    least = (np.arange(len(shares))[:, None] < counts).astype(np.float64)
    surplus = np.maximum(proportional - least, 0)
    total = surplus.sum(0)
    spread = np.divide(surplus, total, out=np.zeros_like(surplus), where=total > 0)
    wanted: npt.NDArray[np.float64] = least + spread * (counts - least.sum(0))
    return wanted


def _give_rare_labels(labels: Labels, subset_of: Indices, order: Indices, subsets: int) -> None:
    """Exchange two samples where a subset so gets a label that it lacks, unless that costs either its last of another.

    A label with fewer samples than there are subsets may go to none but one of them.
    """
    counts = np.stack([labels[subset_of == subset].sum(0) for subset in range(subsets)])
    for label in counts.sum(0).argsort(kind="stable"):
        for poor in np.flatnonzero(counts[:, label] == 0):
            rich = int(counts[:, label].argmax())
            if counts[rich, label] < 2:
                continue
            takers = order[subset_of[order] == poor]
            for giver in order[(subset_of[order] == rich) & labels[order, label]]:
                gained = labels[giver].astype(np.int64) - labels[takers]
                keeps = ((counts[poor] + gained > 0) | (counts[poor] == 0)).all(1)
                keeps &= ((counts[rich] - gained > 0) | (counts[rich] == 0)).all(1)
                if keeps.any():
                    taken = int(keeps.argmax())
                    subset_of[giver], subset_of[takers[taken]] = poor, rich
                    counts[poor] += gained[taken]
                    counts[rich] -= gained[taken]
                    break


def hold_out_labels(indices: Indices, labels: Labels, count: int, seed: int) -> tuple[Indices, Indices]:
    """Hold `count` of `indices` out, each label in proportion; return (the rest, the part held out), both sorted.

    The rest, which training is drawn from, has every label that there is, unless that costs it the last of another.

    Args:
        indices: Samples to divide, (n,).
        labels: Labels of every sample of the dataset, (N, L).
        count: Size of the part held out, 1 to n - 1.
        seed: Seed of the draw.
    """
    own = labels[indices]
    held_out = divide(own, (len(indices) - count, count), seed) == 1
    for label in np.flatnonzero(own[held_out].any(0) & ~own[~held_out].any(0)):
        _give_to_rest(own, held_out, int(np.flatnonzero(held_out & own[:, label])[0]))
    return np.sort(indices[~held_out]), np.sort(indices[held_out])


def _give_to_rest(labels: Labels, held_out: npt.NDArray[np.bool_], sample: int) -> None:
    """Exchange a sample that is held out for one that is not, and is the last of no label there."""
    rest = np.flatnonzero(~held_out)
    counts = labels[rest].sum(0)
    after = counts + labels[sample] - labels[rest].astype(np.int64)
    keeps = ((after > 0) | (counts == 0)).all(1)
    if keeps.any():
        held_out[[sample, rest[keeps.argmax()]]] = False, True


def k_fold_labels(indices: Indices, labels: Labels, folds: int, fold: int, seed: int) -> tuple[Indices, Indices]:
    """Return (training, validation) indices of one of several folds, each label in proportion.

    Args:
        indices: Samples to divide, (n,).
        labels: Labels of every sample of the dataset, (N, L).
        folds: Number of folds, 2 to n.
        fold: The fold to validate on, 0 to `folds` - 1.
        seed: Seed of the draw; the folds of one seed are disjoint and cover `indices`.
    """
    size, more = divmod(len(indices), folds)
    in_fold = divide(labels[indices], [size + (number < more) for number in range(folds)], seed) == fold
    return np.sort(indices[~in_fold]), np.sort(indices[in_fold])


def nested_label_subset(indices: Indices, labels: Labels, count: int, seed: int) -> Indices:
    """Return a subset of `indices`, each label in proportion; a smaller one of the same seed lies inside a larger one.

    The samples are halved, halves are halved again, and so on: a subset is made of whole halves.

    Args:
        indices: Samples to choose from, (n,).
        labels: Labels of every sample of the dataset, (N, L).
        count: Size of the subset, 0 to n.
        seed: Seed of the order.
    """
    pool, taken = np.sort(indices), [indices[:0]]
    while 0 < count < len(pool):
        second = divide(labels[pool], (-(-len(pool) // 2), len(pool) // 2), seed) == 1
        first, rest = pool[~second], pool[second]
        if count < len(first):
            pool = first
        else:
            taken.append(first)
            pool, count = rest, count - len(first)
    return np.sort(np.concatenate([*taken, pool[:count]]))


def check_labels(labels: Labels, parts: dict[str, Indices], names: Sequence[str] | None) -> None:
    """Check that training has a sample of each label.

    Raises:
        DataError: It has none of one; the message names the label.
    """
    missing = np.flatnonzero(~labels[parts["train"]].any(0))
    if len(missing):
        name = repr(names[missing[0]]) if names else str(missing[0])
        raise DataError(
            f"label {name} has no sample in the train part ({int(labels[:, missing[0]].sum())} in the whole dataset): "
            "leave the label out, or make that part larger"
        )


def absent_labels(labels: Labels, parts: dict[str, Indices], names: Sequence[str]) -> list[str]:
    """Return each label that a part lacks, in words."""
    counts = labels.sum(0)
    return [
        f"label {names[label]!r} ({counts[label]} samples) has none in the {part} part"
        for part in parts
        for label in np.flatnonzero(~labels[parts[part]].any(0)).tolist()
    ]
