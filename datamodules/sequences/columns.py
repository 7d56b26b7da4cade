"""Columns of a table that holds steps or texts: found by name, read as those of any table."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from lightning.pytorch.utilities import rank_zero_warn

from datamodules.errors import DataError
from datamodules.tables.classes import Target, missing_classes
from datamodules.tables.columns import read_numbers, texts_and_gaps
from datamodules.tables.reading import read_table
from datamodules.tables.targets import read_target_column

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
TRUTH = {"true": 1.0, "false": 0.0}


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


def texts(column: "pd.Series") -> Array:
    """Return the values of a column as texts without spaces around them, "" where there is none."""
    found: Array = texts_and_gaps(column)[0].to_numpy(object)
    return found


def plain_numbers(cells: "pd.Series | pd.DataFrame") -> Array | None:
    """Return cells as numbers, float64, if all are finite and written as Python writes them, else None.

    Millions of steps are read so in a hundredth of the time that their form takes to find out.
    """
    values = cells.to_numpy()
    if values.dtype.kind not in "iuf" and not all(isinstance(cell, str) and "_" not in cell for cell in values.flat):
        return None
    try:
        numbers: Array = values.astype(np.float64)
    except (ValueError, TypeError):
        return None
    return numbers if np.isfinite(numbers).all() else None


def read_feature(path: Path, column: "pd.Series") -> Array:
    """Return a column of steps as numbers, (steps,), float64: dates as days, true and false as 1 and 0.

    Raises:
        DataError: A value is missing or not a number; the message names its row.
    """
    plain = plain_numbers(column)
    if plain is not None:
        return plain
    words = texts_and_gaps(column)[0].str.lower()
    if words.isin(TRUTH.keys()).all():
        return np.asarray(words.map(TRUTH), np.float64)
    try:
        numbers: Array = read_numbers(str(path), str(column.name), column, missing=True)
    except DataError as error:
        advice = "data.features chooses the columns"
        raise DataError(str(error) if advice in str(error) else f"{error}; {advice}") from error
    if np.isnan(numbers).any():
        gaps = np.flatnonzero(np.isnan(numbers))
        raise DataError(
            f"{path}, row {gaps[0] + 2}, column {str(column.name)!r}: the value is missing ({len(gaps):,} in all are); "
            "fill them in, remove the rows, or leave the column out (data.features chooses the columns)"
        )
    return numbers


def read_target(path: Path, column: "pd.Series", continuous: bool | None, samples: Array | None = None) -> Target:
    """Return a column as classes or as numbers to predict, some of which may be missing.

    Args:
        path: The file, for messages.
        column: The column.
        continuous: Whether its values are numbers to predict; None decides.
        samples: What tells the sequence of each row, (rows,), if it has several.

    Raises:
        DataError: Values are to be numbers and are not, are not classes either, or are all missing.
    """
    if missing_classes(column).all():
        raise DataError(f"{path}: no row has a value in the column {str(column.name)!r}, the target")
    target = read_target_column(str(path), column, continuous, samples)
    for note in target.notes:
        rank_zero_warn(note)
    return target
