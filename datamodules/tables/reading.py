"""A table's file as a frame of texts, whatever its encoding and separator; what cannot be read for sure is refused."""

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datamodules.errors import DataError
from datamodules.regular_files import check_regular, check_unfolded, read_bytes
from datamodules.tables.file_kinds import check_text
from datamodules.tables.layout import SNIFFED_LINES, fitted_header, header_notes, separator_of, without_comments

csv.field_size_limit(2**31 - 1)  # a long text is one cell; Python's own limit is 131,072 letters

if TYPE_CHECKING:
    import pandas as pd

PARQUET = (".parquet", ".pq")
BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
BYTES_OF_A_CELL = 8
MAX_LINES_IN_CELL = 100  # a quote that is never closed swallows the rows below it


def read_table(path: Path) -> tuple["pd.DataFrame", list[str]]:
    """Read a table: text with a header in its first line, or Parquet.

    Args:
        path: The file. Text may be UTF-8, UTF-16 with its byte order mark, or Windows-1252 (Latin-1). Lines that begin
            with # above the header are comments. Columns are separated by commas, semicolons, tabs, bars or spaces;
            what is quoted is quoted as the header is.

    Returns:
        The table and what was noticed. Cells of a text file are texts; the columns of a Parquet file have its types.

    Raises:
        DataError: The file is not a table, or a row is cut or swallowed; the message names file and row.
    """
    if not path.is_file():
        reason = "is not a file" if path.exists() else "does not exist"
        raise DataError(f"{path} {reason}; set data.path to a CSV or Parquet file")
    if path.suffix.lower() in PARQUET:
        return _checked(path, _read_parquet(path)), []
    text, notes = _decode(path)
    frame, more = _read_text(path, text)
    return _checked(path, frame), notes + more


def read_cells(path: Path) -> tuple["pd.DataFrame", list[str]]:
    """Read a text file as `read_table` does, but its first line as a row: it may have no header.

    Returns:
        The cells, texts, and what was noticed; no cells of an empty file.

    Raises:
        DataError: As of `read_table`.
    """
    text, notes = _decode(path)
    text, more = without_comments(path, text)
    layout, rows = _layout(text)
    return _cells(path, text, layout, None, len(rows[0])), notes + more


def _read_parquet(path: Path) -> "pd.DataFrame":
    import pandas as pd  # takes a third of a second to import

    try:
        check_regular(path)
        check_unfolded(path, _parquet_size(path))
        frame = pd.read_parquet(path).reset_index(drop=True)
    except Exception as error:  # pyarrow raises nearly anything for a damaged file
        raise DataError(f"{path} cannot be read as a Parquet file ({error})") from error
    for name in [name for name in frame.columns if pd.api.types.is_object_dtype(frame[name].dtype)]:
        if frame[name].map(lambda cell: isinstance(cell, bytes)).any():
            frame[name] = frame[name].str.decode("utf-8", errors="replace")
    return frame.rename(columns=str)


def _parquet_size(path: Path) -> int:
    """Return how many bytes the table of a Parquet file takes at least: a value repeated is stored once."""
    from pyarrow import parquet

    shape = parquet.read_metadata(path)
    return int(shape.num_rows) * int(shape.num_columns) * BYTES_OF_A_CELL


def _decode(path: Path) -> tuple[str, list[str]]:
    try:
        content = read_bytes(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
    marked = next((name for mark, name in BYTE_ORDER_MARKS.items() if content.startswith(mark)), None)
    encoding = marked or "utf-8"
    if marked is None:
        check_text(path, content)
    try:
        return content.decode(encoding), []
    except UnicodeDecodeError as error:
        if marked is not None:
            raise DataError(f"{path} begins as {encoding} and is not ({error.reason})") from error
    return content.decode("cp1252", errors="replace"), [f"{path} is not UTF-8: read as Windows-1252 (Latin-1)"]


def _layout(text: str) -> tuple[dict[str, Any], list[list[str]]]:
    """Return how rows are cut into cells, as arguments of csv and pandas, and the first rows."""
    quote = "'" if text.lstrip().startswith("'") else '"'
    lines = text.splitlines()[:SNIFFED_LINES]
    layout: dict[str, Any] = {"delimiter": separator_of(lines, quote), "quotechar": quote, "skipinitialspace": True}
    return layout, [row for row in csv.reader(lines, **layout) if row] or [[]]


def _cells(path: Path, text: str, layout: dict[str, Any], names: range | None, width: int) -> "pd.DataFrame":
    """Return all cells, texts, the first line's too."""
    import pandas as pd

    try:
        cells = pd.read_csv(
            io.StringIO(text), header=None, names=names, dtype=str, keep_default_na=False, index_col=False, **layout
        )
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (pd.errors.ParserError, csv.Error) as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise DataError(f"{path} cannot be read as a table: {reason}") from error
    _check_rows(path, text, width, layout)
    return cells


def _read_text(path: Path, text: str) -> tuple["pd.DataFrame", list[str]]:
    try:
        return _read_cells(path, text)
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from error


def _read_cells(path: Path, text: str) -> tuple["pd.DataFrame", list[str]]:
    text, notes = without_comments(path, text)
    layout, rows = _layout(text)
    header, trailing = fitted_header(path, rows)
    width = len(header) + trailing
    names = range(width) if width > len(rows[0]) else None
    cells = _cells(path, text, layout, names, width)
    if len(cells) < 2:
        raise DataError(f"{path} has no rows below a header")
    if names is None:
        header = cells.iloc[0].tolist()
    columns = [re.sub(r"\s*[\r\n]+\s*", " ", name.strip()) for name in header]
    frame = cells.iloc[1:, : len(columns)].set_axis(columns, axis=1).reset_index(drop=True)
    return frame, [*notes, *header_notes(path, columns)]


def _check_rows(path: Path, text: str, width: int, layout: dict[str, Any]) -> None:
    """Check that every row has all its values, which pandas does not, and that no cell holds rows."""
    reader = csv.reader(io.StringIO(text, newline=None), **layout)
    separator, before = layout["delimiter"], 0
    for row in reader:
        lines, before, first = reader.line_num - before, reader.line_num, before == 0
        if row and len(row) != width and not first:
            raise DataError(f"{path}, line {before}: {len(row)} values, but {width} columns")
        swallowing = lines > 1 and any(_holds_rows(cell, place, width, separator) for place, cell in enumerate(row))
        if lines > MAX_LINES_IN_CELL or swallowing:
            raise DataError(f"{path}, line {before - lines + 1}: a quote opens here and closes {lines - 1} lines later")


def _holds_rows(cell: str, place: int, width: int, separator: str) -> bool:
    """Return whether the lines of a cell are rows: the end of one, whole ones, and the beginning of another.

    Lines of a text that hold separators are hardly so many of them in each.
    """
    counts = [line.count(separator) for line in cell.split("\n") if line]
    whole = len(counts) > 2 and set(counts[1:-1]) == {width - 1}
    return width > 1 and whole and counts[0] == width - 1 - place and counts[-1] == place


def _checked(path: Path, frame: "pd.DataFrame") -> "pd.DataFrame":
    if not len(frame):
        raise DataError(f"{path} has no rows below a header")
    doubled = frame.columns[frame.columns.duplicated()]
    if len(doubled):
        raise DataError(f"{path} has two columns {doubled[0]!r}")
    return frame
