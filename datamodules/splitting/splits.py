"""Splits as pure functions on an array of labels: train/val/test, k-fold, learning-curve subsets.

Every function is seeded, knows nothing of batches or devices, and draws from NumPy's `RandomState`,
whose stream NumPy has frozen: the same labels and seed give the same split on any machine.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

from datamodules.errors import DataError
from datamodules.splitting.subsets import Indices, nested_subset

Names = tuple[str, ...] | None
PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """Three disjoint, sorted index arrays into one dataset."""

    train: Indices
    val: Indices
    test: Indices

    def parts(self) -> dict[str, Indices]:
        """Return the three parts by name, in the order train, val, test."""
        return {"train": self.train, "val": self.val, "test": self.test}


@dataclass(frozen=True)
class SplitOptions:
    """How to split.

    Attributes:
        val_fraction: Share of the samples outside the test part that validates, in (0, 1).
        val_size: The same as a count; wins over `val_fraction`.
        test_fraction: Share of all samples (outside an official validation part) that tests, in (0, 1); unused where an
            official test part exists.
        test_size: The same as a count; wins over `test_fraction`.
        folds: Number of folds; validation is then fold number `fold` and `val_fraction` is unused.
        fold: Which fold validates, 0 to `folds` - 1.
        train_fraction: Share of the training part that is used, in (0, 1]: a learning curve's abscissa.
        train_size: The same as a count; wins over `train_fraction`.
        split_seed: Seed of the split, apart from the training seed.
    """

    val_fraction: float = 0.1
    val_size: int | None = None
    test_fraction: float = 0.2
    test_size: int | None = None
    folds: int | None = None
    fold: int = 0
    train_fraction: float = 1.0
    train_size: int | None = None
    split_seed: int = 0


def make_split(
    strata: Indices | None,
    options: SplitOptions,
    *,
    num_samples: int,
    official_test: Indices | None = None,
    official_val: Indices | None = None,
    names: Names = None,
) -> Split:
    """Split `num_samples` samples into train, val and test.

    Args:
        strata: Integer label of each sample, shape (N,); every part keeps its proportions. None: unstratified.
        options: Sizes, folds and seed.
        num_samples: N.
        official_test: Indices of the dataset's own test part, which is then the test part whatever `options` says.
        official_val: Likewise for validation, where there are no `folds`.
        names: Names of the strata, for messages.

    Returns:
        Three disjoint, non-empty parts. With `folds`, the test part is the same for every fold.

    Raises:
        DataError: A size is out of range, a part would be empty, or a class too small to be in every part.
    """
    if not 0 <= options.split_seed < 2**32:
        raise DataError(f"split_seed: {options.split_seed} is not between 0 and {2**32 - 1}")
    everything = np.arange(num_samples, dtype=np.int64)
    if official_test is None:
        free = everything if official_val is None else np.setdiff1d(everything, official_val)
        count = _count("test", options.test_fraction, options.test_size, len(free))
        _, test = hold_out(free, strata, count, options.split_seed, part="test", names=names)
        pool = np.setdiff1d(everything, test)
    else:
        test = np.unique(np.asarray(official_test, dtype=np.int64))
        pool = np.setdiff1d(everything, test)
    if options.folds is not None:
        train, val = k_fold(pool, strata, options.folds, options.fold, options.split_seed, names=names)
    elif official_val is not None:
        val = np.unique(np.asarray(official_val, dtype=np.int64))
        train = np.setdiff1d(pool, val)
    else:
        count = _count("val", options.val_fraction, options.val_size, len(pool))
        train, val = hold_out(pool, strata, count, options.split_seed, part="val", names=names)
    if options.train_size is not None or options.train_fraction != 1.0:
        count = _count("train", options.train_fraction, options.train_size, len(train))
        train = nested_subset(train, strata, count, options.split_seed)
    split = Split(train, val, test)
    check_split(split, strata, names)
    return split


def hold_out(
    indices: Indices, strata: Indices | None, count: int, seed: int, *, part: str = "val", names: Names = None
) -> tuple[Indices, Indices]:
    """Set `count` of `indices` aside, stratified.

    Args:
        indices: Samples to divide, shape (n,).
        strata: Label of every sample of the dataset (indexed by `indices`), or None for a plain random draw.
        count: Size of the part set aside, 1 to n - 1.
        seed: Seed of the draw.
        part: Name of the part, for messages.
        names: Names of the strata, for messages.

    Returns:
        (the rest, the part set aside), both sorted.

    Raises:
        DataError: A class has fewer than two samples, or `count` is less than the number of classes.
    """
    labels = None if strata is None else strata[indices]
    if labels is not None:
        _check_counts(labels, 2, f"to be in the {part} part and outside it", names)
        classes = len(np.unique(labels))
        if min(count, len(indices) - count) < classes:
            raise DataError(
                f"{part}_size: {count} of {len(indices)} samples cannot hold each of {classes} classes; "
                f"both parts need at least {classes}"
            )
    rest, part_indices = train_test_split(indices, test_size=count, random_state=seed, stratify=labels)
    return np.sort(rest), np.sort(part_indices)


def k_fold(
    indices: Indices, strata: Indices | None, folds: int, fold: int, seed: int, *, names: Names = None
) -> tuple[Indices, Indices]:
    """Return (training, validation) indices of one fold of a shuffled, stratified k-fold.

    Args:
        indices: Samples to divide, shape (n,).
        strata: Label of every sample of the dataset, or None for plain k-fold.
        folds: Number of folds, 2 to n.
        fold: Which one validates, 0 to `folds` - 1.
        seed: Seed of the shuffle; the folds of one seed are disjoint and cover `indices`.
        names: Names of the strata, for messages.

    Raises:
        DataError: `folds` or `fold` is out of range, or a class has fewer than `folds` samples.
    """
    if not 2 <= folds <= len(indices):
        raise DataError(f"folds: {folds} is not between 2 and the {len(indices)} samples there are")
    if not 0 <= fold < folds:
        raise DataError(f"fold: {fold} is not between 0 and {folds - 1} (folds: {folds})")
    if strata is None:
        splitter: KFold | StratifiedKFold = KFold(folds, shuffle=True, random_state=seed)
        parts = list(splitter.split(indices))
    else:
        labels = strata[indices]
        _check_counts(labels, folds, f"for {folds} folds", names)
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
        parts = list(splitter.split(indices, labels))
    train, val = parts[fold]
    return indices[train], indices[val]


def quantile_bins(targets: npt.NDArray[np.floating], bins: int) -> Indices:
    """Return the quantile bin of each continuous target, shape (N,): strata for a regression split.

    Raises:
        DataError: `bins` is less than 2, or targets have more than one dimension.
    """
    if bins < 2 or targets.ndim != 1:
        raise DataError(f"stratify_bins: {bins} bins over targets of shape {targets.shape}; needs 2 or more, of (N,)")
    edges = np.unique(np.quantile(targets, np.linspace(0, 1, bins + 1)[1:-1]))
    bins_of: Indices = np.digitize(targets, edges).astype(np.int64)
    return bins_of


def check_split(split: Split, strata: Indices | None, names: Names = None) -> None:
    """Raise `DataError` where parts overlap, are empty, or lack a class that the dataset has."""
    parts = split.parts()
    for name, indices in parts.items():
        if len(indices) == 0:
            raise DataError(f"the {name} part is empty")
    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        shared = len(np.intersect1d(parts[first], parts[second]))
        if shared:
            raise DataError(f"the {first} and {second} parts share {shared} samples")
    if strata is None:
        return
    for name, indices in parts.items():
        missing = np.setdiff1d(np.unique(strata), np.unique(strata[indices]))
        if len(missing):
            total = int((strata == missing[0]).sum())
            raise DataError(
                f"class {_name(missing[0], names)} has no sample in the {name} part ({total} in the whole dataset); "
                f"make that part larger ({name}_size, {name}_fraction) or leave the class out"
            )


def _count(part: str, fraction: float, size: int | None, total: int) -> int:
    whole = part == "train"  # train_fraction: 1 keeps the whole part; 1 for val or test would leave nothing else
    if size is not None:
        if not 0 < size < total + whole:
            raise DataError(f"{part}_size: {size} is not between 1 and {total - (not whole)}")
        return size
    if not (0 < fraction < 1 or (whole and fraction == 1)):
        raise DataError(f"{part}_fraction: {fraction} is not between 0 and 1 (a count goes into {part}_size)")
    count = max(round(fraction * total), 1)
    if count >= total + whole:
        raise DataError(f"{part}_fraction: {fraction} of {total} samples leaves none for the rest")
    return count


def _check_counts(labels: Indices, least: int, purpose: str, names: Names) -> None:
    classes, counts = np.unique(labels, return_counts=True)
    if len(counts) and counts.min() < least:
        smallest = int(counts.argmin())
        raise DataError(
            f"class {_name(classes[smallest], names)} has {counts[smallest]} samples; it needs {least} {purpose}"
        )


def _name(label: np.int64, names: Names) -> str:
    return repr(names[label]) if names is not None and 0 <= label < len(names) else str(label)
