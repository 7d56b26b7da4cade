"""Sizes of the parts, from fractions or counts, and numbers of folds."""

from datamodules.errors import DataError


def part_size(part: str, fraction: float, size: int | None, total: int, least: int = 1) -> int:
    """Return the number of samples of a part.

    Args:
        part: Its name: "train", "val" or "test".
        fraction: Fraction of `total`, in (0, 1), for the training part in (0, 1].
        size: The same as a count; overrides `fraction`.
        total: Number of samples that the part is taken from.
        least: Number of samples that a fraction stands for at least: one of each class.

    Raises:
        DataError: The fraction or count is out of range.
    """
    whole = part == "train"  # a train_fraction of 1 keeps the whole part; for val or test it would leave nothing else
    if size is not None:
        if not 0 < size < total + whole:
            raise DataError(f"split.{part}_size: {size} is not between 1 and {total - (not whole)}")
        return size
    if not (0 < fraction < 1 or (whole and fraction == 1)):
        raise DataError(f"split.{part}_fraction: {fraction} is not between 0 and 1 (a count: split.{part}_size)")
    count = max(round(fraction * total), least)
    if count >= total + whole:
        raise DataError(f"split.{part}_fraction: {fraction} of {total} samples leaves none for the rest")
    return count


def check_fold(folds: int, fold: int, samples: int) -> None:
    """Raise `DataError` if a number of folds is not between 2 and that of samples, or there is no such fold."""
    if not 2 <= folds <= samples:
        raise DataError(f"split.folds: {folds} is not between 2 and the number of samples, {samples}")
    if not 0 <= fold < folds:
        raise DataError(f"split.fold: {fold} is not between 0 and {folds - 1}")
