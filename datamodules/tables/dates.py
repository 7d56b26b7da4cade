"""Dates and times of day in the forms that people write them in; dates count in days, times in hours."""

import re
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from datamodules.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

# What dates look like, and how pandas reads them; with strokes, days or months may come first. The names of months come
# after their abbreviations, since May is both.
DATES = {
    r"\d{4}-\d\d?-\d\d?(?:[T ].*)?": "ISO8601",
    r"\d{4}/\d\d?/\d\d?": "%Y/%m/%d",
    r"\d\d?\.\d\d?\.\d{4}": "%d.%m.%Y",
    r"\d\d?/\d\d?/\d{4}": "",
    r"\d\d?-[A-Za-z]{3}-\d{4}": "%d-%b-%Y",
    r"\d\d? [A-Za-z]{3} \d{4}": "%d %b %Y",
    r"\d\d? [A-Za-z]{3,9} \d{4}": "%d %B %Y",
    r"[A-Za-z]{3} \d\d?, \d{4}": "%b %d, %Y",
    r"[A-Za-z]{3,9} \d\d?, \d{4}": "%B %d, %Y",
}
CLOCKS = {"": "", r" \d\d?:\d\d": " %H:%M", r" \d\d?:\d\d:\d\d": " %H:%M:%S"}  # that may follow a date
TIME = r"(\d+):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?\s*([AaPp]\.?[Mm]\.?)?"
LEAST_DATES = 0.5  # of cells that look like dates: a telephone number such as 1234-56-78 is none
ORDERED = "%d/%m/%Y", "%m/%d/%Y"


def date_form(path: str, name: str, given: "pd.Series[str]") -> str:
    """Return the format of the dates in a column, as `pandas.to_datetime` takes it; "" if its cells are not dates.

    Args:
        path: The file, for messages.
        name: The column.
        given: Its cells but for gaps.

    Raises:
        DataError: Days and months cannot be told apart.
    """
    if not len(given):
        return ""
    first = given.iloc[0]  # looked at alone, since most columns are not dates
    for form, date in DATES.items():
        for clock, time in CLOCKS.items():
            if re.fullmatch(form + clock, first) and given.str.fullmatch(form + clock).all():
                found = date if date == "ISO8601" else (date or _order(path, name, given)) + time
                if np.isfinite(read_dates_as(found, given)).mean() >= LEAST_DATES:
                    return found
    return ""


def read_dates_as(form: str, texts: "pd.Series[str]") -> npt.NDArray[np.float64]:
    """Return texts as days since 1970, (N,), in UTC unless they name a zone; NaN for those that are not such dates."""
    import pandas as pd

    return days(pd.to_datetime(texts, format=form, utc=True, errors="coerce"))


def are_times(given: "pd.Series[str]") -> bool:
    """Return whether all cells are times of day or durations that `read_times` reads."""
    if not len(given) or not re.fullmatch(TIME, given.iloc[0]):
        return False
    return not np.isnan(read_times(given)).any()


def read_times(texts: "pd.Series[str]") -> npt.NDArray[np.float64]:
    """Return times of day, or durations, such as 08:30, 08:30:15 or 8:30 PM as hours, (N,); NaN for all else."""
    found = texts.str.extract(f"^{TIME}$")
    hours, minutes, seconds = (found[place].astype(float) for place in range(3))
    half = found[3].str[0].str.lower()
    twelve = half.notna()
    hours = hours.where(~twelve, hours % 12 + 12 * (half == "p")).where(~twelve | hours.between(1, 12))
    hours = hours + minutes / 60 + seconds.fillna(0) / 3600
    return np.asarray(hours, dtype=np.float64)


def days(times: "pd.Series[pd.Timestamp]") -> npt.NDArray[np.float64]:
    """Return times as days since 1970, (N,), in UTC; NaN for gaps."""
    if times.dt.tz is not None:
        times = times.dt.tz_convert(None)
    return days_since_1970(times.to_numpy())


def days_since_1970(times: npt.NDArray[np.datetime64]) -> npt.NDArray[np.float64]:
    """Return times as days since 1970, (N,), NaN for gaps."""
    # In the unit that they have: in nanoseconds the year 9999 would wrap around.
    found: npt.NDArray[np.float64] = (times - np.datetime64(0, "s")) / np.timedelta64(1, "D")
    return found


def _order(path: str, name: str, given: "pd.Series[str]") -> str:
    """Return whether days or months come first in dates such as 31/01/2026: whichever some date needs."""
    first, second = (given.str.split("/").str[place].astype(int).max() for place in (0, 1))
    if first > 12 or second > 12:
        return ORDERED[0] if first > 12 else ORDERED[1]
    raise DataError(
        f"{path}, column {name!r}: {given.iloc[0]!r} may begin with day or month; write dates as 2026-01-31, or "
        "leave the column out (data.features chooses the columns)"
    )
