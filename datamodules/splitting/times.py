"""Splits by time: training before validation before test, with a gap between them if one is asked for."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from datamodules.errors import DataError
from datamodules.splitting.groups import missing_values
from datamodules.splitting.options import SplitOptions
from datamodules.splitting.sizes import check_fold, part_size
from datamodules.splitting.subsets import Indices
from datamodules.tables.columns import read_column
from datamodules.tables.dates import days_since_1970

SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class Times:
    """The time of each sample.

    Attributes:
        of: Time of each sample, (N,), float64: days since 1970 for dates, otherwise the numbers as they are.
        dates: Times are dates, and gaps are in days.
    """

    of: npt.NDArray[np.float64]
    dates: bool

    @property
    def unit(self) -> str:
        """Return " days" for dates, "" for numbers."""
        return " days" if self.dates else ""

    def text(self, time: np.float64) -> str:
        """Return a time as messages name it: 2024-01-31T12:00 for dates."""
        if not self.dates:
            return f"{time:g}"
        moment = np.datetime64(0, "s") + np.timedelta64(round(time * SECONDS_A_DAY), "s")
        return str(moment).removesuffix(":00").removesuffix("T00:00")


def read_times(values: npt.NDArray[Any]) -> Times:
    """Return times from numbers, dates, or text with one or the other.

    Args:
        values: (N,); text is a number, or a date in ISO 8601, in UTC unless it names another zone.

    Raises:
        DataError: A value is missing, or neither a finite number nor a date.
    """
    missing = np.flatnonzero(missing_values(values))
    if len(missing):
        raise DataError(f"split.by_time: sample {missing[0]} has no time ({len(missing)} in all have none)")
    if values.dtype.kind == "M":
        return Times(days_since_1970(values), dates=True)
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        return Times(_read_dates(values), dates=True)
    infinite = np.flatnonzero(~np.isfinite(numbers))
    if len(infinite):
        raise DataError(f"split.by_time: sample {infinite[0]} has the time {values[infinite[0]]}; it must be finite")
    return Times(numbers, dates=False)


def _read_dates(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return dates as days, in ISO 8601 or as those in a table are written: 31.01.2026 and 2026/1/31 too."""
    import pandas as pd

    try:
        return np.array([_days(value) for value in values])
    except ValueError:
        if all(isinstance(value, str) for value in values):
            column = read_column("split.by_time", "dates", pd.Series(list(values)))
            if column.kind == "date":
                return np.asarray(column.values, dtype=np.float64)
    number, wrong = next((number, value) for number, value in enumerate(values) if not _is_date(value))
    raise DataError(
        f"split.by_time: sample {number} has the time {str(wrong)!r}; all must be numbers, or all dates in the form "
        "2024-01-31 or 2024-01-31T23:59"
    )


def _days(value: Any) -> float:
    date = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() / SECONDS_A_DAY


def _is_date(value: Any) -> bool:
    try:
        _days(value)
    except ValueError:
        return False
    return True


def split_by_time(times: Times, options: SplitOptions) -> tuple[Indices, Indices, Indices]:
    """Return (training, validation, test) indices, sorted; samples in a gap are in none.

    The latest samples are the test part, the latest of those before its gap the validation part. Borders lie where the
    time changes, as close to the wanted sizes as that allows. With `folds`, the samples before the test part make
    `folds` + 1 blocks; fold k is validated on block k + 1, and trained on all samples before it (as in scikit-learn's
    `TimeSeriesSplit`).

    Raises:
        DataError: A size is out of range, a part would be empty, or too many samples have the same time.
    """
    order = np.argsort(times.of, kind="stable").astype(np.int64)
    count = part_size("test", options.test_fraction, options.test_size, len(order))
    start = _border(times, order, len(order) - count, "test")
    test, pool = order[start:], _before(times, order[start], order, options, "test")
    if options.folds is None:
        count = part_size("val", options.val_fraction, options.val_size, len(pool))
        val = pool[_border(times, pool, len(pool) - count, "val") :]
    else:
        check_fold(options.folds, options.fold, len(pool))
        blocks = options.folds + 1
        borders = [_border(times, pool, round(block * len(pool) / blocks), "val") for block in range(1, blocks)]
        borders.append(len(pool))
        if (np.diff(borders) == 0).any():
            raise DataError(
                f"split.folds: the samples before the test part, which begins at {times.text(times.of[order[start]])}, "
                f"have too few different times for {options.folds} folds"
            )
        val = pool[borders[options.fold] : borders[options.fold + 1]]
    train = _before(times, val[0], pool, options, "val")
    return np.sort(train), np.sort(val), np.sort(test)


def _border(times: Times, samples: Indices, wanted: int, part: str) -> int:
    """Return the place closest to `wanted` where the time of ordered samples changes."""
    ordered = times.of[samples]
    changes = np.flatnonzero(np.diff(ordered)) + 1
    if len(changes) == 0:
        raise DataError(
            f"split.by_time: {len(ordered)} samples of the same time, {times.text(ordered[0])}, are all that is left "
            f"for the {part} part and those before it"
        )
    return int(changes[np.abs(changes - wanted).argmin()])


def _before(times: Times, first: np.int64, samples: Indices, options: SplitOptions, part: str) -> Indices:
    """Return the samples that lie before the first sample of a part, by the gap or more."""
    start = times.of[first]
    kept: Indices = samples[(times.of[samples] < start) & (start - times.of[samples] >= options.time_gap)]
    if len(kept) == 0:
        raise DataError(
            f"split.time_gap: {options.time_gap}{times.unit} leave no sample before the {part} part, which begins at "
            f"{times.text(start)}"
        )
    return kept
