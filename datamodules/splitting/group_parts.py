"""Parts and folds of whole groups."""

from itertools import pairwise

import numpy as np
from lightning.pytorch.utilities import rank_zero_warn

from datamodules.errors import DataError
from datamodules.splitting.classes import ClassNames, class_label
from datamodules.splitting.group_balance import deal_groups
from datamodules.splitting.groups import Groups, count_classes
from datamodules.splitting.options import SplitOptions
from datamodules.splitting.sizes import check_fold
from datamodules.splitting.subsets import Indices

TOLERANCE = 0.2  # of a part's wanted size, beyond which the size that groups allow is warned of


def hold_out_groups(
    groups: Groups, indices: Indices, strata: Indices | None, count: int, seed: int, *, part: str, rest_needs: int
) -> tuple[Indices, Indices]:
    """Hold whole groups out, of about `count` samples, with every class in proportion as far as groups allow.

    Args:
        groups: The groups.
        indices: Samples to divide, (n,).
        strata: Class of every sample of the dataset, or its labels (N, L); None for a plain random draw.
        count: Wanted size of the part held out, 1 to n - 1.
        seed: Seed of the draw.
        part: Name of the part, for the warning if groups do not allow its size.
        rest_needs: Number of groups of every class that must be left.

    Returns:
        (the rest, the part held out), both sorted.
    """
    dealt = _deal(groups, indices, strata, [count, len(indices) - count], [1, rest_needs], seed)
    held = np.sort(indices[dealt == 0])
    if abs(len(held) - count) > TOLERANCE * count:
        codes, sizes = np.unique(groups.of[indices], return_counts=True)
        largest = int(sizes.argmax())
        rank_zero_warn(
            f"split.groups: the {part} part has {len(held)} samples, not {count}: whole groups allow no closer size "
            f"with every class in it (the largest, {groups.names[codes[largest]]!r}, has {sizes[largest]})"
        )
    return np.sort(indices[dealt != 0]), held


def fold_groups(
    groups: Groups, indices: Indices, strata: Indices | None, folds: int, fold: int, seed: int
) -> tuple[Indices, Indices]:
    """Return (training, validation) indices of one fold; each group is in one fold's validation part.

    Args:
        groups: The groups.
        indices: Samples to divide, (n,).
        strata: Class of every sample of the dataset, or its labels (N, L); None for plain folds.
        folds: Number of folds, 2 to the number of groups.
        fold: The fold to validate on, 0 to `folds` - 1.
        seed: Seed of the draw; the folds of one seed are disjoint and cover `indices`.
    """
    ends = [round(number * len(indices) / folds) for number in range(folds + 1)]
    sizes = [end - start for start, end in pairwise(ends)]
    dealt = _deal(groups, indices, strata, sizes, [1] * folds, seed)
    return np.sort(indices[dealt != fold]), np.sort(indices[dealt == fold])


def _deal(
    groups: Groups, indices: Indices, strata: Indices | None, sizes: list[int], needs: list[int], seed: int
) -> Indices:
    """Return the part of each sample, (n,)."""
    present, counts, members = count_classes(groups, indices, strata)
    return deal_groups(counts, members, sizes, needs, seed)[np.searchsorted(present, groups.of[indices])]


def check_groups(
    groups: Groups,
    everything: Indices,
    strata: Indices | None,
    test: Indices | None,
    val: Indices | None,
    options: SplitOptions,
    names: ClassNames,
) -> None:
    """Check that groups allow the parts; warn if official parts divide some.

    Args:
        groups: The groups.
        everything: All samples to divide.
        strata: Class of every sample of the dataset, or its labels (N, L), or None.
        test: The test part, if it is not to be drawn.
        val: The validation part, if it is not to be drawn.
        options: Options of the split.
        names: Names of the strata.

    Raises:
        DataError: There are not enough groups, or not enough of a class, for the parts to be drawn, or parts that are
            given divide a group; the message names the groups, or the class.
    """
    owner = "split.groups" if options.groups is not None else "split.duplicates"
    free = everything
    for part, fixed in (("test", test), ("validation", val)):
        if fixed is not None:
            others = np.setdiff1d(everything, fixed)
            if options.given is not None:
                _refuse_across(groups, others, fixed, part, owner)
            elif options.groups is not None:  # duplicates have a warning of their own
                _warn_of_across(groups, others, fixed, part)
            free = np.setdiff1d(free, fixed)
    drawn = ["the test part"] if test is None else []
    if options.folds is not None:
        check_fold(options.folds, options.fold, len(free))
        drawn += [f"fold {fold}" for fold in range(options.folds)]
    elif val is None:
        drawn += ["the validation part"]
    if drawn:
        _check_enough(groups, free, strata, drawn if options.folds else [*drawn, "the training part"], owner, names)


def _across(groups: Groups, others: Indices, fixed: Indices, part: str) -> str | None:
    count, samples = groups.across(others, fixed)
    if not count:
        return None
    first = groups.names[np.intersect1d(groups.of[others], groups.of[fixed])[0]]
    lie = "1 group lies" if count == 1 else f"{count} groups lie"
    return f"{lie} both in the {part} part and outside it, with {samples} samples there (the first: {first!r})"


def _refuse_across(groups: Groups, others: Indices, fixed: Indices, part: str, owner: str) -> None:
    across = _across(groups, others, fixed, part)
    if across:
        raise DataError(f"split.given: {across}; mend the parts, or leave {owner} out")


def _warn_of_across(groups: Groups, others: Indices, fixed: Indices, part: str) -> None:
    across = _across(groups, others, fixed, part)
    if across:
        rank_zero_warn(f"split.groups: {across}; the {part} part is the dataset's own and stays as it is")


def _check_enough(
    groups: Groups, free: Indices, strata: Indices | None, drawn: list[str], owner: str, names: ClassNames
) -> None:
    """Check that there is a group, and a group of each class, for each part that is drawn."""
    needed = f"{len(drawn)} folds and parts" if len(drawn) > 3 else f"{', '.join(drawn[:-1])} and {drawn[-1]}"
    of_class = strata if strata is not None and strata.ndim == 1 else None  # of labels, training alone needs each
    present, counts, _ = count_classes(groups, free, of_class)
    if len(present) < len(drawn):
        raise DataError(f"{owner}: there is only {_listed(groups, present)}; {needed} need a group each")
    scarce = np.flatnonzero((counts > 0).sum(axis=0) < len(drawn))
    if of_class is not None and len(scarce):
        label, only = np.unique(of_class[free])[scarce[0]], present[counts[:, scarce[0]] > 0]
        raise DataError(
            f"{owner}: class {class_label(label, names)} is only in {_listed(groups, only)}; {needed} need a "
            "group of it each: leave the class out, or join it with another"
        )


def _listed(groups: Groups, codes: Indices) -> str:
    named = ", ".join(repr(groups.names[code]) for code in codes[:3]) + (", …" if len(codes) > 3 else "")
    return f"one group, {named}" if len(codes) == 1 else f"{len(codes)} groups ({named})"
