"""Classes in a target column, named as the file writes them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from datamodules.errors import DataError
from datamodules.samples import UNLABELLED
from datamodules.tables.columns import CLASSES, YES_NO, read_column, texts_and_gaps

if TYPE_CHECKING:
    import pandas as pd

LARGEST_WHOLE = 2**53  # beyond which float64 skips whole numbers


@dataclass(frozen=True)
class Target:
    """The target column, or columns.

    Attributes:
        names: Names of the columns.
        class_names: The classes, as the file writes them, or the labels; none if the target is a number.
        values: Class of each row, (N,), int64, `UNLABELLED` where there is none; or numbers, (N, outputs), float64, NaN
            where there is none; or whether each row has each label, (N, L), bool.
        notes: What a user should know.
    """

    names: list[str]
    class_names: tuple[str, ...]
    values: npt.NDArray[np.int64] | npt.NDArray[np.float64] | npt.NDArray[np.bool_]
    notes: list[str]


def missing_classes(cells: "pd.Series") -> "pd.Series[bool]":
    """Return which cells of a target column are missing; a word that may be the name of a class is not."""
    texts, gaps = texts_and_gaps(cells)
    return gaps & ~texts.str.lower().isin(CLASSES)


def read_classes(path: str, cells: "pd.Series", samples: int) -> Target:
    """Return a target column as classes, `UNLABELLED` where there is none.

    Args:
        path: The file, for messages.
        cells: N cells, named after the column.
        samples: Number of samples that have a class.

    Raises:
        DataError: There is one class, or nearly one for each sample.
    """
    name = str(cells.name)
    missing = missing_classes(cells)
    stripped, _ = texts_and_gaps(_whole(cells))
    stripped = stripped[~missing]
    spellings, notes = stripped.unique(), []
    if cells.dtype.kind == "O" and cells[~missing].astype(str).nunique() > len(spellings):
        notes.append(f"{path}: classes in the column {name!r} that differ in spaces around them are the same class")
    lower = {text.lower() for text in spellings}
    if len(lower) < len(spellings):
        if any(lower <= pair for pair in YES_NO):
            stripped = stripped.str.lower()
            notes.append(f"{path}: classes in the column {name!r} that differ in case are the same class")
        else:
            first, second = _differ_in_case(sorted(spellings))
            notes.append(f"{path}: {first!r} and {second!r} in the column {name!r} are two classes that differ in case")
    found = _ordered(path, name, stripped)
    if 2 * len(found) > samples:
        raise DataError(
            f"{path}: {len(found)} different values among {samples} in the column {name!r} are not classes; "
            "if it is a number to predict, set data.continuous true"
        )
    if len(found) < 2:
        raise DataError(
            f"{path}: all rows have the class {found[0]!r} in the column {name!r}; there is nothing to learn"
        )
    places = {value: place for place, value in enumerate(found)}
    values = np.full(len(cells), UNLABELLED, dtype=np.int64)
    values[~missing.to_numpy()] = stripped.map(places).to_numpy(np.int64)
    return Target([name], tuple(found), values, notes)


def _ordered(path: str, name: str, texts: "pd.Series[str]") -> list[str]:
    """Return the different texts in order: numbers as numbers, before what is none."""
    import pandas as pd  # takes a third of a second to import

    found = sorted(str(text) for text in texts.unique())
    try:
        column = read_column(path, name, pd.Series(found))
    except DataError:  # which numbers they are does not matter to classes
        return found
    if column.kind == "category":
        return found
    order = np.argsort(np.asarray(column.values, np.float64), kind="stable")  # NaN comes last
    return [found[place] for place in order.tolist()]


def _differ_in_case(spellings: list[str]) -> tuple[str, str]:
    first: dict[str, str] = {}
    for text in spellings:
        if first.setdefault(text.lower(), text) != text:
            return first[text.lower()], text
    raise AssertionError("no two differ in case only")


def _whole(cells: "pd.Series") -> "pd.Series":
    """Return floats that are whole as integers: Parquet has them where a column of integers has gaps."""
    known = cells.dropna()
    if cells.dtype.kind == "f" and ((known == known.round()) & (known.abs() <= LARGEST_WHOLE)).all():
        return cells.astype("Int64")
    return cells
