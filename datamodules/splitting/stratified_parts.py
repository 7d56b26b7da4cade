"""Parts and folds of single samples, with every class in proportion."""

import numpy as np

from datamodules.errors import DataError
from datamodules.splitting.classes import ClassNames, check_counts
from datamodules.splitting.multi_label import hold_out_labels, k_fold_labels
from datamodules.splitting.sizes import check_fold
from datamodules.splitting.subsets import Indices


def hold_out(
    indices: Indices, strata: Indices | None, count: int, seed: int, *, part: str = "val", names: ClassNames = None
) -> tuple[Indices, Indices]:
    """Hold `count` of `indices` out, stratified.

    Args:
        indices: Samples to divide, shape (n,).
        strata: Class of every sample of the dataset (indexed by `indices`), or its yes/no labels, (N, L), or None for a
            plain random draw.
        count: Size of the part held out, 1 to n - 1.
        seed: Seed of the draw.
        part: Name of the part, for messages.
        names: Names of the strata, for messages.

    Returns:
        (the rest, the part held out), both sorted.

    Raises:
        DataError: A class has fewer than two samples, or `count` is less than the number of classes.
    """
    from sklearn.model_selection import train_test_split  # takes half a second to import

    if strata is not None and strata.ndim > 1:
        return hold_out_labels(indices, strata.astype(bool), count, seed)
    labels = None if strata is None else strata[indices]
    if labels is not None:
        check_counts(labels, 2, f"to be in the {part} part and outside it", names)
        classes = len(np.unique(labels))
        if min(count, len(indices) - count) < classes:
            raise DataError(
                f"split.{part}_size: {count} of {len(indices)} samples cannot hold each of {classes} classes; "
                f"both parts need at least {classes}"
            )
    rest, part_indices = train_test_split(indices, test_size=count, random_state=seed, stratify=labels)
    return np.sort(rest), np.sort(part_indices)


def k_fold(
    indices: Indices, strata: Indices | None, folds: int, fold: int, seed: int, *, names: ClassNames = None
) -> tuple[Indices, Indices]:
    """Return (training, validation) indices of one fold of a shuffled, stratified k-fold.

    Args:
        indices: Samples to divide, shape (n,).
        strata: As in `hold_out`; None for plain k-fold.
        folds: Number of folds, 2 to n.
        fold: The fold to validate on, 0 to `folds` - 1.
        seed: Seed of the shuffle; the folds of one seed are disjoint and cover `indices`.
        names: Names of the strata, for messages.

    Raises:
        DataError: `folds` or `fold` is out of range, or a class has fewer than `folds` samples.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    check_fold(folds, fold, len(indices))
    if strata is not None and strata.ndim > 1:
        return k_fold_labels(indices, strata.astype(bool), folds, fold, seed)
    if strata is None:
        splitter: KFold | StratifiedKFold = KFold(folds, shuffle=True, random_state=seed)
        parts = list(splitter.split(indices))
    else:
        labels = strata[indices]
        check_counts(labels, folds, f"for {folds} folds", names)
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
        parts = list(splitter.split(indices, labels))
    train, val = parts[fold]
    return indices[train], indices[val]
