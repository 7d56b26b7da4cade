"""What the cells of a column are: numbers, dates, or categories, in the forms that people write them in."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from datamodules.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["number", "date", "category"]
MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none", "?", "<na>")
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?i:inf|infinity)"
CODE = r"0\d+"  # a number is not written with a zero in front: 01 is a name
# Forms of dates, and how pandas reads them; with strokes, days or months may come first.
DATES = {
    r"\d{4}-\d\d?-\d\d?(?:[T ].*)?": "ISO8601",
    r"\d{4}/\d\d?/\d\d?": "%Y/%m/%d",
    r"\d\d?\.\d\d?\.\d{4}": "%d.%m.%Y",
    r"\d\d?/\d\d?/\d{4}": "",
}
THOUSANDS = {",": r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", ".": r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d+)?"}
DECIMAL_COMMA = r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?"
MOSTLY = 0.8  # of the values: the others are then mistakes, not categories


@dataclass(frozen=True)
class Column:
    """A column of N cells.

    Attributes:
        name: Its name.
        kind: What its cells are; a date counts as days since 1970.
        values: (N,): float64 with NaN for gaps, or texts with None for gaps.
        whole: Whether all its numbers are whole.
    """

    name: str
    kind: Kind
    values: npt.NDArray[np.float64] | npt.NDArray[np.object_]
    whole: bool = False

    @property
    def gaps(self) -> npt.NDArray[np.bool_]:
        """Which cells are empty, (N,)."""
        if self.kind != "category":
            return np.isnan(np.asarray(self.values, dtype=np.float64))
        return np.array([value is None for value in self.values], dtype=bool)

    def distinct(self) -> int:
        """Return the number of different values, gaps not counted."""
        return len(set(self.values[~self.gaps].tolist()))


def read_column(path: str, name: str, cells: "pd.Series", kind: Kind | None = None) -> Column:
    """Read a column's cells: texts of a text file, or typed values of a Parquet file.

    Args:
        path: The file, for messages.
        name: The column.
        cells: Its N cells.
        kind: What they are; by default it is found out.

    Raises:
        DataError: Most cells are numbers and one is not, or it cannot be told which number is meant.
    """
    import pandas as pd  # takes a third of a second to import

    if pd.api.types.is_bool_dtype(cells.dtype):
        return Column(name, "category", _objects(cells.astype(str), cells.isna()))
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return number_column(path, name, cells.to_numpy(np.float64, na_value=np.nan), cells.index)
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return Column(name, "date", _days(cells))
    texts, gaps = _texts_and_gaps(cells)
    if kind == "category":
        return Column(name, "category", _objects(texts, gaps))
    given = texts[~gaps]
    form = next((form for form in DATES if len(given) and given.str.fullmatch(form).all()), None)
    if form is not None:
        return Column(name, "date", _read_days(path, name, texts.mask(gaps), DATES[form] or _order(path, name, given)))
    plain = _plain_numbers(path, name, given)
    if plain is None:
        return Column(name, "category", _objects(texts, gaps))
    numbers = np.full(len(texts), np.nan)
    numbers[~gaps.to_numpy()] = plain.astype(float).to_numpy()
    return number_column(path, name, numbers, cells.index)


def cleaned(cells: "pd.Series") -> npt.NDArray[Any]:
    """Return cells as they are, (N,), but for spaces around texts, and None for those that are missing."""
    if cells.dtype.kind in "iufbM":
        return np.asarray(cells)
    return _objects(*_texts_and_gaps(cells))


def _texts_and_gaps(cells: "pd.Series") -> "tuple[pd.Series[str], pd.Series[bool]]":
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


def _plain_numbers(path: str, name: str, given: "pd.Series[str]") -> "pd.Series[str] | None":
    """Return texts as Python writes numbers, None if they are not numbers."""
    if not len(given) or given.str.fullmatch(CODE).any():
        return None
    plain = given.str.fullmatch(NUMBER)
    if plain.all():
        return given
    for decimal, group in ((".", ","), (",", ".")):
        grouped = given.str.fullmatch(THOUSANDS[group])
        fraction = plain if decimal == "." else given.str.fullmatch(DECIMAL_COMMA) | given.str.fullmatch(r"[+-]?\d+")
        if not (grouped | fraction).all() or (decimal == "." and not grouped.any()):
            continue
        if grouped.any() and not _told_apart(given, group):
            shown = given[grouped].iloc[0]
            raise DataError(
                f"{path}, column {name!r}: {shown!r} may be {shown.replace(group, '.')} or {shown.replace(group, '')}; "
                "write numbers with a point and without thousands separators"
            )
        return given.str.replace(group, "", regex=False).str.replace(",", ".", regex=False)
    odd = given[~plain]
    if plain.mean() >= MOSTLY:
        raise DataError(
            f"{path}, row {odd.index[0] + 2}, column {name!r}: {odd.iloc[0]!r} is not a number, as the others are; "
            "correct it, or leave the column out (data.features chooses the columns)"
        )
    return None


def _told_apart(given: "pd.Series[str]", group: str) -> bool:
    """Return whether some text shows that a sign groups thousands: it stands twice, or the other sign stands too."""
    other = "." if group == "," else ","
    return bool(((given.str.count(rf"\{group}") > 1) | given.str.contains(other, regex=False)).any())


def _read_days(path: str, name: str, texts: "pd.Series[str]", form: str) -> npt.NDArray[np.float64]:
    import pandas as pd

    try:
        return _days(pd.to_datetime(texts, format=form, utc=True))
    except ValueError as error:
        raise DataError(f"{path}, column {name!r}: not all are dates ({error}); write them as 2026-01-31") from error


def _order(path: str, name: str, given: "pd.Series[str]") -> str:
    """Return whether days or months come first in dates such as 31/01/2026: whichever some date needs."""
    first, second = (given.str.split("/").str[place].astype(int).max() for place in (0, 1))
    if first > 12 or second > 12:
        return "%d/%m/%Y" if first > 12 else "%m/%d/%Y"
    raise DataError(
        f"{path}, column {name!r}: {given.iloc[0]!r} may begin with day or month; write dates as 2026-01-31, or "
        "leave the column out (data.features chooses the columns)"
    )


def _days(times: "pd.Series[pd.Timestamp]") -> npt.NDArray[np.float64]:
    import pandas as pd

    if times.dt.tz is not None:
        times = times.dt.tz_convert(None)
    days: npt.NDArray[np.float64] = ((times - pd.Timestamp(0)) / pd.Timedelta(days=1)).to_numpy(np.float64)
    return days


def _objects(texts: "pd.Series[str]", gaps: "pd.Series[bool]") -> npt.NDArray[np.object_]:
    found: npt.NDArray[np.object_] = texts.astype(object).mask(gaps, None).to_numpy(object)
    return found
