"""Splits as pure functions on an array of labels: train/val/test, k-fold, learning-curve subsets.

Every function is seeded, independent of batches and devices, and draws from NumPy's `RandomState`, whose stream NumPy
has frozen: the same labels and seed give the same split on any machine.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from lightning.pytorch.utilities import rank_zero_warn

from datamodules.errors import DataError
from datamodules.splitting.classes import ClassNames, check_counts, class_label
from datamodules.splitting.criteria import Criteria, read_criteria
from datamodules.splitting.group_parts import check_groups, fold_groups, hold_out_groups
from datamodules.splitting.groups import Groups, nested_groups
from datamodules.splitting.multi_label import check_labels
from datamodules.splitting.options import SplitOptions, check_options
from datamodules.splitting.sizes import part_size
from datamodules.splitting.stratified_parts import hold_out, k_fold
from datamodules.splitting.subsets import Indices, nested_subset
from datamodules.splitting.times import split_by_time

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
class Unsplit:
    """What a split needs to know of N samples.

    Attributes:
        num_samples: N.
        strata: Class of each sample, (N,), int64, or its yes/no labels, (N, L), to stratify by; None for a plain random
            split.
        official_test: Indices of the dataset's own test part; goes before all options but `given`.
        official_val: Indices of its own validation part; goes before all options but `folds` and `given`.
        names: Names of the strata, for messages.
    """

    num_samples: int
    strata: Indices | None = None
    official_test: Indices | None = None
    official_val: Indices | None = None
    names: ClassNames = None


def make_split(strata: Indices | None, options: SplitOptions, *, num_samples: int, **known: Any) -> Split:
    """Split `num_samples` samples into train, val and test.

    Args:
        strata: As in `Unsplit`.
        options: Sizes, folds and seed; groups, times and given parts as one value per sample.
        num_samples: N.
        known: The other attributes of `Unsplit`.

    Returns:
        Three disjoint, non-empty parts. With `folds`, the test part is the same for every fold, and with `groups` no
        group is in two parts that are drawn.

    Raises:
        DataError: A size is out of range, a part would be empty, or a class too small to be in every part; a group or
            a class makes the split impossible; options contradict each other.
    """
    check_options(options)
    criteria, unsplit = read_criteria(options, num_samples), Unsplit(num_samples, strata, **known)
    split = draw_parts(unsplit, options, criteria)
    split = replace(split, train=training_subset(split.train, strata, options, criteria.groups))
    check_split(split, strata, unsplit.names, drawn=is_stratified(criteria))
    return split


def is_stratified(criteria: Criteria) -> bool:
    """Return whether classes decide the parts: neither times do, nor somebody else."""
    return criteria.times is None and criteria.given is None


def draw_parts(unsplit: Unsplit, options: SplitOptions, criteria: Criteria) -> Split:
    """Return the split of `make_split` with the whole training part: `train_fraction` and `train_size` are unused.

    Args:
        unsplit: The samples.
        options: As in `make_split`.
        criteria: What `options` say of groups, times and given parts.

    Raises:
        DataError: As in `make_split`.
    """
    strata, names, groups, given = unsplit.strata, unsplit.names, criteria.groups, criteria.given
    official_test, official_val = unsplit.official_test, unsplit.official_val
    everything = np.arange(unsplit.num_samples, dtype=np.int64)
    if given is not None:
        everything = given.named()
        official_test, official_val = (part if len(part) else None for part in (given.test, given.val))
        if options.folds is not None and official_val is not None:
            raise DataError("split.folds: split.given names a validation part already; leave one of them out")
    if criteria.times is not None:
        if official_test is not None or official_val is not None:
            raise DataError("split.by_time: the dataset has official parts, which no time decides; leave it out")
        return Split(*split_by_time(criteria.times, options))
    test = None if official_test is None else np.unique(np.asarray(official_test, dtype=np.int64))
    val = None if official_val is None or options.folds else np.unique(np.asarray(official_val, dtype=np.int64))
    if groups is not None:
        check_groups(groups, everything, strata, test, val, options, names)
    elif options.folds is None:
        _check_classes(everything, strata, test, val, names)
    if test is None:
        free = everything if official_val is None else np.setdiff1d(everything, official_val)
        least = 1 if groups is not None else _num_classes(free, strata)
        count = part_size("test", options.test_fraction, options.test_size, len(free), least)
        if groups is None:
            _, test = hold_out(free, strata, count, options.seed, part="test", names=names)
        else:
            needs = options.folds or (2 if val is None else 1)
            _, test = hold_out_groups(groups, free, strata, count, options.seed, part="test", rest_needs=needs)
    pool = np.setdiff1d(everything, test)
    if options.folds is not None:
        if groups is None:
            train, val = k_fold(pool, strata, options.folds, options.fold, options.seed, names=names)
        else:
            train, val = fold_groups(groups, pool, strata, options.folds, options.fold, options.seed)
    elif val is not None:
        train = np.setdiff1d(pool, val)
    else:
        least = 1 if groups is not None else _num_classes(pool, strata)
        count = part_size("val", options.val_fraction, options.val_size, len(pool), least)
        if groups is None:
            train, val = hold_out(pool, strata, count, options.seed, part="val", names=names)
        else:
            train, val = hold_out_groups(groups, pool, strata, count, options.seed, part="val", rest_needs=1)
    return Split(train, val, test)


def _num_classes(indices: Indices, strata: Indices | None) -> int:
    """Return the number of classes among samples, 1 if nothing is stratified by them."""
    return 1 if strata is None or strata.ndim > 1 else len(np.unique(strata[indices]))


def _check_classes(
    indices: Indices, strata: Indices | None, test: Indices | None, val: Indices | None, names: ClassNames
) -> None:
    """Check that each class has a sample for each part that is drawn."""
    official = {"test": test, "val": val}
    drawn = ["train", *(part for part in ("val", "test") if official[part] is None)]
    if strata is not None and strata.ndim == 1 and len(drawn) > 1:
        taken = np.concatenate([part for part in official.values() if part is not None] or [np.array([], np.int64)])
        free = np.setdiff1d(indices, taken)
        check_counts(strata[free], len(drawn), f"for the parts {', '.join(drawn)}", names)


def training_subset(train: Indices, strata: Indices | None, options: SplitOptions, groups: Groups | None) -> Indices:
    """Return what `train_fraction` or `train_size` ask for of the training part, in whole groups if there are any.

    Raises:
        DataError: The size is out of range, or less than that of a group.
    """
    if options.train_size is None and options.train_fraction == 1.0:
        return train
    count = part_size("train", options.train_fraction, options.train_size, len(train))
    if groups is None:
        return nested_subset(train, strata, count, options.seed)
    return nested_groups(groups, train, strata, count, options.seed)


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


def check_split(split: Split, strata: Indices | None, names: ClassNames = None, *, drawn: bool = True) -> None:
    """Check that parts are not empty, do not overlap, and have every class.

    Args:
        split: The split.
        strata: Class of every sample of the dataset, or its labels (N, L); None for none.
        names: Names of the classes, for messages.
        drawn: Classes decide the parts, so that one lacking is refused (of several labels per sample, one that lacks in
            training); otherwise it is warned of.

    Raises:
        DataError: Parts overlap, a part is empty, or lacks a class of the dataset although it is drawn by class.
    """
    parts = split.parts()
    for name, indices in parts.items():
        if len(indices) == 0:
            raise DataError(f"the {name} part is empty")
    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        shared = len(np.intersect1d(parts[first], parts[second], assume_unique=True))
        if shared:
            raise DataError(f"the {first} and {second} parts share {shared} samples")
    if strata is not None and strata.ndim > 1 and drawn:
        check_labels(strata.astype(bool), parts, names)
    if strata is None or strata.ndim > 1:
        return
    classes = np.unique(strata if drawn else strata[np.concatenate(list(parts.values()))])
    for name, indices in parts.items():
        missing = classes[~np.isin(classes, strata[indices])]
        if len(missing):
            total = int((strata == missing[0]).sum())
            message = (
                f"class {class_label(missing[0], names)} has no sample in the {name} part "
                f"({total} in the whole dataset)"
            )
            if drawn:
                larger = f"make that part larger (split.{name}_size, split.{name}_fraction)"
                raise DataError(f"{message}; {larger} or leave the class out")
            rank_zero_warn(message if len(missing) == 1 else f"{message}; {len(missing)} classes have none")
