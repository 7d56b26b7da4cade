"""One sequence in a CSV file of numbers, a row a step."""

import csv
import warnings
from pathlib import Path

import numpy as np

from datamodules.errors import DataError
from datamodules.sequences.array_files import as_steps, check_finite
from datamodules.sequences.recorded import Array

SEPARATORS = ",;\t"


def read_csv(file: Path) -> tuple[list[str], Array, list[str]]:
    """Return the names of the columns, [] without a header, and the numbers, (T, F)."""
    try:
        with file.open(encoding="utf-8-sig") as lines:
            first = lines.readline()
        separator = max(SEPARATORS, key=first.count)
        cells = [cell.strip() for cell in next(csv.reader([first], delimiter=separator), [])]
        header = [] if all(map(_is_number, cells)) else cells
        with warnings.catch_warnings(action="ignore"):  # of no rows, which _sequence refuses
            numbers = np.loadtxt(
                file,
                delimiter=separator,
                skiprows=int(bool(header)),
                ndmin=2,
                encoding="utf-8-sig",
                quotechar='"',
                comments=None,
            )
    except (OSError, ValueError) as error:
        counted = "rows counted from 0, without the header and empty lines"
        raise DataError(f"{file} is not a table of numbers: {error} ({counted})") from error
    if header and len(set(header)) < len(header):
        raise DataError(f"{file} has two columns of the same name: {', '.join(header)}")
    if header and numbers.size and numbers.shape[1] != len(header):
        raise DataError(f"{file} has {len(header)} columns and {numbers.shape[1]} numbers in a row")
    sequence = as_steps(numbers, str(file))
    check_finite(sequence, str(file))
    return header, sequence, []


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
