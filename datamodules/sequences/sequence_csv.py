"""One sequence in a CSV file of numbers, a row a step, with or without a header."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datamodules.errors import DataError
from datamodules.sequences.array_files import as_steps, check_finite
from datamodules.sequences.recorded import Array
from datamodules.tables.columns import read_column, read_numbers
from datamodules.tables.reading import read_cells

if TYPE_CHECKING:
    import pandas as pd


def read_csv(file: Path) -> tuple[list[str], Array, list[str]]:
    """Return the names of the columns, [] without a header, the numbers, (T, F), and what was noticed.

    A column without a name beside others that have one counts the rows, as pandas writes it, and is left out.

    Raises:
        DataError: The file cannot be read, or holds something else than numbers; the message names the row.
    """
    cells, notes = read_cells(file)
    header = [str(name).strip() for name in cells.iloc[0]] if len(cells) else []
    header = [] if all(map(_is_value, header)) else header
    steps = cells.iloc[1:] if header else cells
    if not len(steps):
        raise DataError(f"{file} has no steps; a sequence is numbers, a row a step")
    steps = steps.set_axis(range(len(steps)) if header else range(-1, len(steps) - 1), axis=0)  # 0 is row 2
    steps = steps.set_axis(header or [f"feature {number}" for number in range(steps.shape[1])], axis=1)
    if header:
        doubled = steps.columns[steps.columns.duplicated()]
        if len(doubled):
            raise DataError(f"{file} has two columns of the same name: {doubled[0]!r}")
        if "" in header and len(header) > 1:
            steps, header = steps.drop(columns=""), [name for name in header if name]
            notes = [*notes, f"{file.parent.parent}: the first column of .csv files has no name and is left out"]
    numbers = as_steps(_numbers(file, steps), str(file))
    check_finite(numbers, str(file))
    return header, numbers, notes


def _is_value(text: str) -> bool:
    """Return whether a cell is a number or a date, not the name of a column."""
    import pandas as pd  # takes a third of a second to import

    try:
        float(text)
    except ValueError:
        try:
            return read_column("", "", pd.Series([text])).kind != "category"
        except DataError:  # one of several numbers
            return True
    return True


def _numbers(file: Path, steps: "pd.DataFrame") -> Array:
    """Return cells as numbers, (T, F), float64; the index numbers the rows for messages, from the file's second."""
    try:  # a hundred times faster than column by column, which reads more forms of numbers and names the row
        plain: Array = steps.to_numpy(object).astype(np.float64)
    except ValueError:
        plain = np.array([np.nan])
    if np.isfinite(plain).all():
        return plain
    try:
        columns = [read_numbers(str(file), str(name), steps[name], missing=True) for name in steps.columns]
    except DataError as error:
        raise DataError(f"{str(error).partition('; ')[0]}; correct it in the file") from error
    numbers = np.stack(columns, axis=1)
    if np.isnan(numbers).any():
        row, column = np.argwhere(np.isnan(numbers))[0]
        raise DataError(
            f"{file}, row {steps.index[row] + 2}, column {str(steps.columns[column])!r}: the value is missing; fill it "
            "in or remove the row"
        )
    return numbers
