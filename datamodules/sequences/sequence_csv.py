"""Sequences in CSV files of numbers, a row a step, with or without a header."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datamodules.errors import DataError
from datamodules.precision import numbered_features
from datamodules.sequences.columns import plain_numbers
from datamodules.sequences.recorded import Array
from datamodules.tables.columns import Kind, read_column, read_column_as, read_numbers
from datamodules.tables.forms import Form
from datamodules.tables.reading import read_cells

if TYPE_CHECKING:
    import pandas as pd

FEATURES = ", or leave the column out (data.features chooses the columns)"  # advice for tables, not for files


def read_csv(file: Path) -> tuple[list[str], "pd.DataFrame", list[str]]:
    """Return the names of the columns, [] without a header, the steps as texts, and what was noticed.

    The index numbers the steps for messages, 0 for the file's second row. A column without a name beside others that
    have one counts the rows, as pandas writes it, and is left out; so is a first row that counts three columns or more.

    Raises:
        DataError: The file cannot be read, or has no steps.
    """
    cells, notes = read_cells(file)
    header = [str(name).strip() for name in cells.iloc[0]] if len(cells) else []
    counts = len(header) > 2 and header == [str(number) for number in range(len(header))]
    if counts:
        notes = [*notes, f"{file.parent.parent}: the first lines of .csv files that count the columns are not steps"]
    header = [] if all(map(_is_value, header)) else header
    steps = cells.iloc[1:] if header or counts else cells
    if not len(steps):
        raise DataError(f"{file} has no steps; a sequence is numbers, a row a step")
    steps = steps.set_axis(steps.index - 1, axis=0)
    steps = steps.set_axis(header or numbered_features(steps.shape[1]), axis=1)
    doubled = steps.columns[steps.columns.duplicated()]
    if len(doubled):
        raise DataError(f"{file} has two columns of the same name: {doubled[0]!r}")
    if "" in header and len(header) > 1:
        steps, header = steps.drop(columns=""), [name for name in header if name]
        notes = [*notes, f"{file.parent.parent}: the column of .csv files that has no name is left out"]
    return header, steps, notes


def read_numbers_of_files(steps: "dict[Path, pd.DataFrame]") -> dict[Path, Array]:
    """Return the steps of each file as numbers, (T, F), float64, all in the form that all files together show.

    Raises:
        DataError: A cell is missing or not a number; the message names file and row.
    """
    plain = {file: plain_numbers(frame) for file, frame in steps.items()}
    known = {file: numbers for file, numbers in plain.items() if numbers is not None}
    if len(known) == len(steps):
        return known
    kinds = {name: _common_kind(steps, name) for name in next(iter(steps.values())).columns}
    return {file: _in_kinds(file, frame, kinds) for file, frame in steps.items()}


@lru_cache  # thousands of files have the same header
def _is_value(text: str) -> bool:
    """Return whether a cell is a number or a date, not the name of a column."""
    import pandas as pd  # takes a third of a second to import

    try:
        return plain_numbers(cell := pd.Series([text])) is not None or read_column("", "", cell).kind != "category"
    except DataError:  # one of several numbers, or infinite
        return True


def _common_kind(steps: "dict[Path, pd.DataFrame]", name: str) -> tuple[Kind, Form]:
    """Return what a column is in all files, and how it is written."""
    import pandas as pd  # takes a third of a second to import

    folder = next(iter(steps)).parent.parent
    try:
        column = read_column(str(folder), name, pd.concat([frame[name] for frame in steps.values()], ignore_index=True))
    except DataError as error:
        for file, frame in steps.items():  # the one at fault has a row of its own
            _read_numbers(file, frame[name])
        raise DataError(str(error).replace(FEATURES, "")) from error
    return column.kind, column.form


def _in_kinds(file: Path, steps: "pd.DataFrame", kinds: dict[str, tuple[Kind, Form]]) -> Array:
    columns = []
    for name in steps.columns:
        kind, form = kinds[name]
        if kind == "category":
            columns.append(_read_numbers(file, steps[name]))
        else:
            columns.append(np.asarray(read_column_as(str(file), name, steps[name], kind, form).values, np.float64))
    numbers: Array = np.stack(columns, axis=1)
    if np.isnan(numbers).any():
        row, column = np.argwhere(np.isnan(numbers))[0]
        raise DataError(
            f"{file}, row {steps.index[row] + 2}, column {steps.columns[column]!r}: the value is missing; fill it in "
            "or remove the row"
        )
    return numbers


def _read_numbers(file: Path, cells: "pd.Series") -> Array:
    try:
        return read_numbers(str(file), str(cells.name), cells, missing=True)
    except DataError as error:
        raise DataError(str(error).replace(FEATURES, "")) from error
