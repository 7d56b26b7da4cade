"""Splits as pure functions on an array of labels: train/val/test, k-fold, learning-curve subsets.

Every function is seeded, independent of batches and devices, and draws from NumPy's `RandomState`, whose stream NumPy
has frozen: the same labels and seed give the same split on any machine.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from datamodules.errors import DataError
from datamodules.splitting.multi_label import check_labels, hold_out_labels, k_fold_labels
from datamodules.splitting.subsets import Indices, nested_subset

ClassNames = tuple[str, ...] | None
Duplicates = Literal["warn", "raise", "drop"]
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
    """How a dataset is split into train, val and test.

    Args:
        val_fraction: Fraction of the samples outside the test part for validation, in (0, 1).
        val_size: The same as a count; overrides `val_fraction`.
        test_fraction: Fraction of all samples outside an official validation part for the test, in (0, 1); unused if
            the dataset has its own test part.
        test_size: The same as a count; overrides `test_fraction`.
        folds: Number of folds; fold number `fold` then is the validation part and `val_fraction` is unused.
        fold: The fold to validate on, 0 to `folds` - 1.
        train_fraction: Fraction of the training part to use, in (0, 1]; a smaller subset lies inside a larger one.
        train_size: The same as a count; overrides `train_fraction`.
        seed: Seed of the split; independent of the training seed.
        duplicates: What to do about byte-identical samples across parts: "warn" with counts, "raise" an error, or
            "drop" them from the training part.
    """

    val_fraction: float = 0.1
    val_size: int | None = None
    test_fraction: float = 0.2
    test_size: int | None = None
    folds: int | None = None
    fold: int = 0
    train_fraction: float = 1.0
    train_size: int | None = None
    seed: int = 0
    duplicates: Duplicates = "warn"


def make_split(
    strata: Indices | None,
    options: SplitOptions,
    *,
    num_samples: int,
    official_test: Indices | None = None,
    official_val: Indices | None = None,
    names: ClassNames = None,
) -> Split:
    """Split `num_samples` samples into train, val and test.

    Args:
        strata: Integer label of each sample, (N,), or yes/no labels, (N, L), to stratify by; None for a random split.
        options: Sizes, folds and seed.
        num_samples: N.
        official_test: Indices of the dataset's own test part; overrides `options`.
        official_val: Indices of its own validation part; overrides `options`, except `folds`.
        names: Names of the strata, for messages.

    Returns:
        Three disjoint, non-empty parts. With `folds`, the test part is the same for every fold.

    Raises:
        DataError: A size is out of range, a part would be empty, or a class too small to be in every part.
    """
    if not 0 <= options.seed < 2**32:
        raise DataError(f"split.seed: {options.seed} is not between 0 and {2**32 - 1}")
    if options.folds is None and options.fold != 0:
        raise DataError(f"split.fold: {options.fold} is a fold of none; set split.folds, the number of folds")
    everything = np.arange(num_samples, dtype=np.int64)
    if official_test is None:
        free = everything if official_val is None else np.setdiff1d(everything, official_val)
        count = _count("test", options.test_fraction, options.test_size, len(free))
        _, test = hold_out(free, strata, count, options.seed, part="test", names=names)
    else:
        test = np.unique(np.asarray(official_test, dtype=np.int64))
    pool = np.setdiff1d(everything, test)
    if options.folds is not None:
        train, val = k_fold(pool, strata, options.folds, options.fold, options.seed, names=names)
    elif official_val is not None:
        val = np.unique(np.asarray(official_val, dtype=np.int64))
        train = np.setdiff1d(pool, val)
    else:
        count = _count("val", options.val_fraction, options.val_size, len(pool))
        train, val = hold_out(pool, strata, count, options.seed, part="val", names=names)
    if options.train_size is not None or options.train_fraction != 1.0:
        count = _count("train", options.train_fraction, options.train_size, len(train))
        train = nested_subset(train, strata, count, options.seed)
    split = Split(train, val, test)
    check_split(split, strata, names)
    return split


def hold_out(
    indices: Indices, strata: Indices | None, count: int, seed: int, *, part: str = "val", names: ClassNames = None
) -> tuple[Indices, Indices]:
    """Hold `count` of `indices` out, stratified.

    Args:
        indices: Samples to divide, shape (n,).
        strata: Label of every sample of the dataset (indexed by `indices`), or None for a plain random draw.
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

    labels = None if strata is None else strata[indices]
    if strata is not None and strata.ndim > 1:
        return hold_out_labels(indices, strata.astype(bool), count, seed)
    if labels is not None:
        _check_counts(labels, 2, f"to be in the {part} part and outside it", names)
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
        strata: Label of every sample of the dataset, or None for plain k-fold.
        folds: Number of folds, 2 to n.
        fold: The fold to validate on, 0 to `folds` - 1.
        seed: Seed of the shuffle; the folds of one seed are disjoint and cover `indices`.
        names: Names of the strata, for messages.

    Raises:
        DataError: `folds` or `fold` is out of range, or a class has fewer than `folds` samples.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    if not 2 <= folds <= len(indices):
        raise DataError(f"split.folds: {folds} is not between 2 and the number of samples, {len(indices)}")
    if not 0 <= fold < folds:
        raise DataError(f"split.fold: {fold} is not between 0 and {folds - 1}")
    if strata is not None and strata.ndim > 1:
        return k_fold_labels(indices, strata.astype(bool), folds, fold, seed)
    labels = None if strata is None else strata[indices]
    if labels is None:
        splitter: KFold | StratifiedKFold = KFold(folds, shuffle=True, random_state=seed)
    else:
        _check_counts(labels, folds, f"for {folds} folds", names)
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    train, val = list(splitter.split(indices, labels))[fold]
    return indices[train], indices[val]


def quantile_bins(targets: npt.NDArray[np.floating], bins: int) -> Indices:
    """Return the quantile bin of each continuous target, shape (N,): strata for a regression split.

    Raises:
        DataError: `bins` is less than 2, or targets have more than one dimension.
    """
    if bins < 2 or targets.ndim != 1:
        raise DataError(
            f"stratify_bins: {bins} bins for targets of shape {targets.shape}; it needs 2 or more, and targets (N,)"
        )
    edges = np.unique(np.quantile(targets, np.linspace(0, 1, bins + 1)[1:-1]))
    bins_of: Indices = np.digitize(targets, edges).astype(np.int64)
    return bins_of


def check_split(split: Split, strata: Indices | None, names: ClassNames = None) -> None:
    """Raise `DataError` if parts overlap, a part is empty, or a part lacks a class of the dataset."""
    parts = split.parts()
    for name, indices in parts.items():
        if len(indices) == 0:
            raise DataError(f"the {name} part is empty")
    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        if shared := len(np.intersect1d(parts[first], parts[second])):
            raise DataError(f"the {first} and {second} parts share {shared} samples")
    if strata is not None and strata.ndim > 1:
        check_labels(strata.astype(bool), parts, names)
    if strata is None or strata.ndim > 1:
        return
    for name, indices in parts.items():
        missing = np.setdiff1d(np.unique(strata), np.unique(strata[indices]))
        if len(missing):
            total = int((strata == missing[0]).sum())
            raise DataError(
                f"class {_name(missing[0], names)} has no sample in the {name} part ({total} in the whole dataset); "
                f"make that part larger (split.{name}_size, split.{name}_fraction) or leave the class out"
            )


def _count(part: str, fraction: float, size: int | None, total: int) -> int:
    whole = part == "train"  # a train_fraction of 1 keeps the whole part; for val or test it would leave nothing else
    if size is not None:
        if not 0 < size < total + whole:
            raise DataError(f"split.{part}_size: {size} is not between 1 and {total - (not whole)}")
        return size
    if not (0 < fraction < 1 or (whole and fraction == 1)):
        raise DataError(f"split.{part}_fraction: {fraction} is not between 0 and 1 (a count: split.{part}_size)")
    count = max(round(fraction * total), 1)
    if count >= total + whole:
        raise DataError(f"split.{part}_fraction: {fraction} of {total} samples leaves none for the rest")
    return count


def _check_counts(labels: Indices, least: int, purpose: str, names: ClassNames) -> None:
    classes, counts = np.unique(labels, return_counts=True)
    if len(counts) and counts[smallest := int(counts.argmin())] < least:
        raise DataError(
            f"class {_name(classes[smallest], names)} has {counts[smallest]} samples; it needs {least} {purpose}"
        )


def _name(label: np.int64, names: ClassNames) -> str:
    return repr(names[label]) if names is not None and 0 <= label < len(names) else str(label)
