"""The layout of a table of text: comments above the header, separator, header, and separators at the ends of rows."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from datamodules.errors import DataError

SEPARATORS = (",", ";", "\t", "|", " ")
SNIFFED_LINES = 50
MOSTLY = 0.5
FRACTION = r"[+-]?\d*[.,]\d+(?:[eE][+-]?\d+)?"  # a number that names no column, as 2024 may


def without_comments(path: Path, text: str) -> tuple[str, list[str]]:
    """Return the text without the comments above its header, and what was noticed.

    Lines that begin with # are comments, but for the last of them if it has as many columns as the line below; so is
    Excel's first line that names the separator, "sep=;".
    """
    text = re.sub(r"\A\ufeff?sep=.\r?\n", "", text)
    lines = text.splitlines(keepends=True)
    count = next((number for number, line in enumerate(lines) if not line.startswith("#")), 0)
    if count and len(lines) > count:
        separator = separator_of(lines[count : count + SNIFFED_LINES], '"')
        header, below = (len(row) for row in csv.reader([lines[count - 1], lines[count]], delimiter=separator))
        count -= header == below
    if not count:
        return text, []
    words = "1 line of comments is" if count == 1 else f"{count} lines of comments are"
    return "".join(lines[count:]), [f"{path}: {words} above the header, and not read"]


def separator_of(lines: Sequence[str], quote: str) -> str:
    """Return the separator that cuts lines into the most columns, of the same number in every line.

    A space is one only if no other cuts as many of the lines: names and units have spaces too. If no separator cuts
    most lines as it cuts the first one, which is then not the header, the others decide.
    """
    by_first, by_most = {}, {}
    for separator in SEPARATORS:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator, quotechar=quote) if row] or [0]
        share, sign = widths.count(widths[0]) / len(widths), separator != " "
        by_first[separator] = (widths[0] > 1, share, sign, widths[0])
        usual, count = Counter(widths).most_common(1)[0]
        sure = usual > 1 and count > len(widths) / 2 and (separator != " " or 1 < widths[0] == usual - 1)
        by_most[separator] = (sure, count / len(widths), sign, usual)
    fits_first = any(several and share > MOSTLY for several, share, *_ in by_first.values())
    chosen = by_most if not fits_first and any(sure for sure, *_ in by_most.values()) else by_first
    return max(chosen, key=lambda separator: chosen[separator])


def fitted_header(path: Path, rows: list[list[str]]) -> tuple[list[str], bool]:
    """Return the names of the columns, and whether each row below ends with a separator that ends no column.

    Args:
        path: The file, for messages.
        rows: The first rows of a file, the header among them, as a reader of CSV splits them.

    Raises:
        DataError: The first line has another number of values than those below, and is not the header.
    """
    header, below = rows[0], rows[1:]
    width, count = Counter(map(len, below)).most_common(1)[0] if below else (0, 0)
    if width == len(header) + 1 and count == len(below):
        if all(row[-1] == "" for row in below):
            return header, True
        if len(header) > 1 and 1 < len(below) == len({row[0] for row in below}):  # as R writes the names of rows
            return ["", *header], False
    if len(below) > 1 and count > MOSTLY * len(below) and width > len(header):
        raise DataError(
            f"{path}, line 1: {len(header)} value(s), but {width} in the lines below; remove what stands above the "
            "header"
        )
    return header, False


def header_notes(path: Path, names: list[str]) -> list[str]:
    """Return a line if a name is a number with a fraction, as where a table has no header."""
    odd = next((name for name in names if re.fullmatch(FRACTION, name)), None)
    return [] if odd is None else [f"{path}: a column is called {odd!r}; the first line must be a header, not values"]
