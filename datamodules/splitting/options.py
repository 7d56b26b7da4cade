"""How a dataset is to be split: the settings `--data.split.…`."""

import math
from dataclasses import dataclass
from typing import Literal

from datamodules.errors import DataError

Duplicates = Literal["warn", "raise", "drop", "group"]
PerSample = str | list[str | int | float]
NAMED = ("groups", "by_time", "given")


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
        duplicates: What to do about byte-identical samples across parts: "warn" with counts, "raise" an error, "drop"
            them from the training part, or "group" them: identical samples are then always in one part.
        groups: Samples of one group, of one patient say, are never in two parts. For a table the name of a column; for
            an image folder a regular expression that is searched in each file's path below the folder, whose first
            group, or whole match, is the value; in Python also one value per sample. Classes are as balanced, and
            parts as large, as whole groups allow.
        by_time: Train on the earliest samples, validate on later ones, test on the latest. A column or pattern as for
            `groups`, or one value per sample: numbers, or dates in the form 2024-01-31 or 2024-01-31T23:59. Samples of
            the same time are in one part. With `folds`, fold k is validated on block k + 1 of `folds` + 1 blocks and
            trained on all earlier ones.
        time_gap: Least time between two parts; samples in between are left out. In days if times are dates, otherwise
            in the unit of the numbers.
        given: The part of each sample (train, val or test; also training, valid, dev, testing and similar). A column or
            pattern as for `groups`; or, where there is no such column, a CSV or Parquet file with the columns index
            (from 0) and part, or file and part, such as the split.csv of another run. Samples without a part are left
            out. A val or test part that is not given is split off.
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
    groups: PerSample | None = None
    by_time: PerSample | None = None
    time_gap: float = 0.0
    given: PerSample | None = None

    def columns(self) -> list[str]:
        """Return the names of the columns that the split goes by."""
        return [value for value in map(vars(self).__getitem__, NAMED) if isinstance(value, str)]


def check_options(options: SplitOptions) -> None:
    """Raise `DataError` if options contradict each other, or the seed is out of range."""
    if not 0 <= options.seed < 2**32:
        raise DataError(f"split.seed: {options.seed} is not between 0 and {2**32 - 1}")
    if options.folds is None and options.fold != 0:
        raise DataError(f"split.fold: {options.fold} is a fold of none; set split.folds, the number of folds")
    if not 0 <= options.time_gap < math.inf:
        raise DataError(f"split.time_gap: {options.time_gap} is not a number of 0 or more")
    if options.by_time is None:
        if options.time_gap:
            raise DataError(f"split.time_gap: {options.time_gap} is a gap between no times; set split.by_time")
        return
    for name, other in (("groups", options.groups), ("given", options.given)):
        if other is not None:
            raise DataError(f"split.by_time and split.{name} both decide the parts; set one of them")
    if options.duplicates == "group":
        raise DataError("split.duplicates: group contradicts split.by_time; choose warn, raise or drop")
