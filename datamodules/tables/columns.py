"""What the cells of a column are: numbers, dates, times, or categories, in the forms that people write them in."""

from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from datamodules.errors import DataError
from datamodules.tables.dates import are_times, date_form, days, read_dates_as, read_times
from datamodules.tables.forms import PLAIN_FORM, Form, number_form, read_numbers_as

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["number", "date", "time", "category"]
MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none", "?", "<na>", "nat", "n.a.", "#value!", "#div/0!", "#ref!")
CLASSES = ("none",)  # words for a gap that may be the name of a class
DASHES = ("-", "--", ".", "\u2013", "\u2014")  # gaps between numbers or dates, but categories may be + and -
YES_NO = ({"1", "0"}, {"1.0", "0.0"}, {"true", "false"}, {"yes", "no"}, {"y", "n"}, {"t", "f"})  # what labels look like


@dataclass(frozen=True)
class Column:
    """A column of N cells.

    Attributes:
        name: Its name.
        kind: What its cells are; a date counts as days since 1970, a time of day or a duration as hours.
        values: (N,): float64 with NaN for gaps, or texts with None for gaps.
        whole: Whether all its numbers are whole.
        form: How the cells are written, by which new rows are read too.
    """

    name: str
    kind: Kind
    values: npt.NDArray[np.float64] | npt.NDArray[np.object_]
    whole: bool = False
    form: Form = PLAIN_FORM

    @property
    def gaps(self) -> npt.NDArray[np.bool_]:
        """Which cells are empty, (N,)."""
        if self.kind != "category":
            return np.isnan(np.asarray(self.values, dtype=np.float64))
        return np.array([value is None for value in self.values], dtype=bool)

    def distinct(self) -> int:
        """Return the number of different values, gaps not counted."""
        return len(set(self.values[~self.gaps].tolist()))


def read_column(path: str, name: str, cells: "pd.Series") -> Column:
    """Read a column's cells, and find out what they are and how they are written.

    Args:
        path: The file, for messages.
        name: The column.
        cells: Its N cells, numbered from 0: texts of a text file, or typed values of a Parquet file.

    Raises:
        DataError: Most cells are numbers and one is not, or it cannot be told which number or date is meant.
    """
    typed = _typed_column(path, name, cells)
    if typed is not None:
        return typed
    check_single(path, name, cells)
    texts, gaps = texts_and_gaps(cells)
    dashes = gaps | texts.isin(DASHES)
    given = texts[~dashes]
    date = date_form(path, name, given)
    if date:
        return read_column_as(path, name, cells, "date", Form(date=date))
    if are_times(given):
        return read_column_as(path, name, cells, "time", PLAIN_FORM)
    form = number_form(path, name, given)
    if form is not None:
        return read_column_as(path, name, cells, "number", form)
    found = set(texts[~gaps].unique())
    lower = {text.lower() for text in found}
    return read_column_as(
        path, name, cells, "category", Form(lower=len(lower) < len(found) and any(lower <= pair for pair in YES_NO))
    )


def read_column_as(path: str, name: str, cells: "pd.Series", kind: Kind, form: Form) -> Column:
    """Read cells of a known kind, in the form that it is known to have; typed values have no form.

    Args:
        path: The file, for messages.
        name: The column.
        cells: Its N cells, numbered from 0.
        kind: What they are.
        form: How texts are written.

    Raises:
        DataError: A cell is something else, or is written in another form; the message names it.
    """
    if kind == "category":
        texts, gaps = texts_and_gaps(cells)
        return Column(name, kind, _objects(texts.str.lower() if form.lower else texts, gaps), form=form)
    typed = _typed_column(path, name, cells)
    if typed is not None and typed.kind == kind:
        return Column(name, kind, typed.values, typed.whole, form)
    texts, gaps = texts_and_gaps(cells)
    gaps |= texts.isin(DASHES)
    numbers = np.full(len(texts), np.nan)
    given = texts[~gaps]
    if kind == "number":
        read = read_numbers_as(form, given).to_numpy(np.float64)
        if form != PLAIN_FORM and cells.dtype == object:
            typed_cells = cells[~gaps].map(lambda cell: isinstance(cell, Real | Decimal))
            read = np.where(typed_cells, read_numbers_as(PLAIN_FORM, given).to_numpy(np.float64), read)
    else:
        read = read_dates_as(form.date, given) if kind == "date" else read_times(given)
    wrong = np.flatnonzero(np.isnan(read))
    if len(wrong):
        row = given.index[wrong[0]] + 2
        raise DataError(f"{path}, row {row}, column {name!r}: {given.iloc[wrong[0]]!r} is not {_described(kind, form)}")
    numbers[~gaps.to_numpy()] = read
    column = number_column(path, name, numbers, cells.index)
    return Column(name, kind, numbers, kind == "number" and column.whole, form)


def read_numbers(path: str, name: str, cells: "pd.Series", missing: bool = False) -> npt.NDArray[np.float64]:
    """Return a column that must hold numbers, (N,): float64; dates count as days, times of day as hours.

    Args:
        path: The file, for messages.
        name: The column.
        cells: Its N cells, numbered from 0.
        missing: Whether a missing one becomes NaN; by default it is an error.

    Raises:
        DataError: A cell is not a number, is infinite, or is missing; the message names its row.
    """
    column = read_column(path, name, cells)
    texts, gaps = texts_and_gaps(cells)
    given = texts[~gaps]
    if column.kind == "category" and len(given):
        row = given.index[int(read_numbers_as(PLAIN_FORM, given).isna().to_numpy().argmax())]
        raise DataError(f"{path}, row {row + 2}, column {name!r}: {given[row]!r} is not a number")
    numbers = np.full(len(cells), np.nan) if column.kind == "category" else np.asarray(column.values, np.float64)
    if np.isnan(numbers).any() and not missing:
        place = int(np.isnan(numbers).argmax())
        row = cells.index[place] + 2
        raise DataError(f"{path}, row {row}, column {name!r}: {texts.iloc[place]!r} is not a number")
    return numbers


def holds_lists(cells: "pd.Series") -> npt.NDArray[np.bool_]:
    """Return which cells hold several values, as those of a Parquet file may, (N,)."""
    if cells.dtype != object:
        return np.zeros(len(cells), dtype=bool)
    return np.array([isinstance(cell, list | tuple | set | dict | np.ndarray) for cell in cells], dtype=bool)


def check_single(path: str, name: str, cells: "pd.Series") -> None:
    """Check that every cell holds one value.

    Raises:
        DataError: One holds a list.
    """
    lists = holds_lists(cells)
    if lists.any():
        row = cells.index[int(lists.argmax())] + 2
        raise DataError(
            f"{path}, row {row}, column {name!r}: the cell holds a list; give each value a column of its own, or leave "
            "the column out (data.features chooses the columns)"
        )


def cleaned(cells: "pd.Series") -> npt.NDArray[Any]:
    """Return cells as they are, (N,), but for spaces around texts, and None for those that are missing."""
    if cells.dtype.kind in "iufbM":
        return np.asarray(cells)
    return _objects(*texts_and_gaps(cells))


def texts_and_gaps(cells: "pd.Series") -> "tuple[pd.Series[str], pd.Series[bool]]":
    """Return cells as texts without spaces around them, and which are missing."""
    texts = cells.astype(object).where(cells.notna(), "").astype(str).str.strip()
    return texts, texts.str.lower().isin(MISSING)


def number_column(path: str, name: str, numbers: npt.NDArray[np.float64], rows: "pd.Index") -> Column:
    """Return a column of numbers; `rows` numbers them for messages, from 0.

    Raises:
        DataError: One is infinite.
    """
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        raise DataError(f"{path}, row {rows[infinite[0]] + 2}, column {name!r}: the number is infinite")
    known = numbers[~np.isnan(numbers)]
    return Column(name, "number", numbers, bool(len(known)) and bool((known == np.round(known)).all()))


def _typed_column(path: str, name: str, cells: "pd.Series") -> Column | None:
    """Return a column whose type says what its cells are; None for texts and objects."""
    import pandas as pd  # takes a third of a second to import

    if pd.api.types.is_bool_dtype(cells.dtype):
        return Column(name, "category", _objects(cells.astype(str), cells.isna()))
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return number_column(path, name, cells.to_numpy(np.float64, na_value=np.nan), cells.index)
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return Column(name, "date", days(cells))
    if pd.api.types.is_timedelta64_dtype(cells.dtype):
        return Column(name, "time", (cells / pd.Timedelta(hours=1)).to_numpy(np.float64))
    return None


def _described(kind: Kind, form: Form) -> str:
    if kind == "number":
        return f"a number in the form of the column, such as {form.write(1234.5)!r}"
    return "a time such as '08:30'" if kind == "time" else f"a date in the form of the column, {form.date}"


def _objects(texts: "pd.Series[str]", gaps: "pd.Series[bool]") -> npt.NDArray[np.object_]:
    found: npt.NDArray[np.object_] = texts.astype(object).mask(gaps, None).to_numpy(object)
    return found
