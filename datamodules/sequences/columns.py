"""Columns of a CSV or Parquet file, read as they are written: texts stay texts, class names stay what the file says."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from lightning.pytorch.utilities import rank_zero_warn

from datamodules.errors import DataError
from datamodules.samples import UNLABELLED
from datamodules.tables.reading import read_table
from datamodules.tables.targets import MAX_NUMBERED_CLASSES

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
MISSING = ("", "na", "n/a", "nan", "null", "none", "?")  # of numbers; of texts only the empty one


class Targets(NamedTuple):
    """A target column.

    Attributes:
        values: One for each row: labels, int64, `UNLABELLED` where there is none; or numbers, float64, NaN where there
            is none.
        class_names: C names; none if targets are continuous.
    """

    values: Array
    class_names: tuple[str, ...]


def read_columns(path: Path) -> "pd.DataFrame":
    """Read a table with a header; of a text file every value is a text, of Parquet what the file says.

    Raises:
        DataError: It cannot be read, or a row has more or fewer values than there are columns.
    """
    frame, notes = read_table(path)
    for note in notes:
        rank_zero_warn(note)
    return frame


def check_column(path: Path, frame: "pd.DataFrame", name: str, option: str) -> None:
    """Check that a table has a column.

    Raises:
        DataError: It does not; the message names the option that asked for it.
    """
    if name not in frame.columns:
        raise DataError(f"{path} has no column {name!r} (data.{option}); there are {', '.join(frame.columns)}")


def _row(mask: Any) -> int:
    """Return the number of the first row in a mask, the header being row 1."""
    return int(np.flatnonzero(mask)[0]) + 2


def texts(column: "pd.Series") -> Array:
    """Return the values of a column as texts without spaces around them, "" where there is none."""
    present = column.notna().to_numpy()
    return np.array([str(value).strip() if there else "" for value, there in zip(column, present, strict=True)], object)


def numbers(path: Path, column: "pd.Series", missing: bool = False) -> Array:
    """Return a column as numbers, float64.

    Args:
        path: The file, for messages.
        column: The column.
        missing: Whether a missing value becomes NaN; by default it is an error.

    Raises:
        DataError: A value is not a number, is infinite, or is missing; the message names its row.
    """
    values = parsed(column)
    wrong = np.isnan(values)
    if missing:
        wrong &= ~_gaps(column)
    if wrong.any():
        row = _row(wrong)
        value = texts(column.iloc[[row - 2]])[0]
        raise DataError(f"{path}, row {row}, column {str(column.name)!r}: {value!r} is not a number")
    return values


def parsed(column: "pd.Series") -> Array:
    """Return a column as numbers, float64, NaN for what is not a finite one."""
    if column.dtype.kind in "iufb":
        values = column.to_numpy(np.float64, na_value=np.nan)
    else:
        values = np.array([_number(text) for text in texts(column)])
    return np.where(np.isfinite(values), values, np.nan)


def _number(text: str) -> float:
    try:
        return np.nan if "_" in text else float(text)
    except ValueError:
        return np.nan


def _gaps(column: "pd.Series") -> Array:
    return np.array([text.lower() in MISSING for text in texts(column)])


def read_targets(path: Path, column: "pd.Series", continuous: bool | None) -> Targets:
    """Return a column as labels or as continuous targets.

    Args:
        path: The file, for messages.
        column: The column; a value may be missing.
        continuous: Whether its values are numbers to predict; None decides: numbers are, except up to 20 different
            whole ones.

    Raises:
        DataError: Values are to be numbers and are not, or there are as many classes as rows.
    """
    names = texts(column)
    if continuous is None:
        continuous = _looks_continuous(column, names)
    if continuous:
        return Targets(numbers(path, column, missing=True), ())
    given = names != ""
    found, labels = np.unique(names[given].astype(str), return_inverse=True)
    if 2 * len(found) > len(labels):
        raise DataError(
            f"{path}: {len(found)} different values among {len(labels)} in the column {str(column.name)!r} are not "
            "classes; if it is a number to predict, set data.continuous true (and use models.Regressor)"
        )
    values = np.full(len(names), UNLABELLED, dtype=np.int64)
    values[given] = labels
    return Targets(values, tuple(str(name) for name in found))


def _looks_continuous(column: "pd.Series", names: Array) -> bool:
    values = parsed(column)
    if column.dtype.kind == "b" or (np.isnan(values) & ~_gaps(column)).any() or np.isnan(values).all():
        return False
    values = values[~np.isnan(values)]
    padded = any(len(name) > 1 and name[0] == "0" and name.isdigit() for name in names)  # 01 is a name
    return not padded and (bool((values % 1 != 0).any()) or len(np.unique(values)) > MAX_NUMBERED_CLASSES)
