"""A table's file as a frame of texts, whatever its encoding and separator; what cannot be read for sure is refused."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from datamodules.errors import DataError
from datamodules.regular_files import check_regular, check_unfolded, read_bytes

if TYPE_CHECKING:
    import pandas as pd

PARQUET = (".parquet", ".pq")
SEPARATORS = (",", ";", "\t", "|", " ")
BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
SNIFFED_LINES = 50
BYTES_OF_A_CELL = 8
MAX_LINES_IN_CELL = 100  # a quote that is never closed swallows the rows below it


def read_table(path: Path) -> tuple["pd.DataFrame", list[str]]:
    """Read a table: text with a header in its first line, or Parquet.

    Args:
        path: The file. Text may be UTF-8, UTF-16 with its byte order mark, or Windows-1252 (Latin-1). Columns are
            separated by commas, semicolons, tabs, bars or spaces; what is quoted is quoted as the header is.

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
    return _checked(path, _read_text(path, text)), notes


def _read_parquet(path: Path) -> "pd.DataFrame":
    import pandas as pd  # takes a third of a second to import

    try:
        check_regular(path)
        check_unfolded(path, _parquet_size(path))
        frame = pd.read_parquet(path).reset_index(drop=True)
    except Exception as error:  # pyarrow raises nearly anything for a damaged file
        raise DataError(f"{path} cannot be read as a Parquet file ({error})") from error
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
        if content.startswith(b"PK"):
            raise DataError(f"{path} is a spreadsheet or an archive; save it as CSV")
        if b"\0" in content:
            raise DataError(f"{path} is not a text file; save it as CSV in UTF-8")
    try:
        return content.decode(encoding), []
    except UnicodeDecodeError as error:
        if marked is not None:
            raise DataError(f"{path} begins as {encoding} and is not ({error.reason})") from error
    return content.decode("cp1252", errors="replace"), [f"{path} is not UTF-8: read as Windows-1252 (Latin-1)"]


def _separator(text: str, quote: str) -> str:
    """Return the separator that cuts the first lines into the most columns, of the same number in every line."""
    lines = text.splitlines()[:SNIFFED_LINES]
    counts = {}
    for separator in SEPARATORS:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator, quotechar=quote) if row]
        even = sum(width == widths[0] for width in widths) if widths else 0
        counts[separator] = (widths[0] > 1, even / len(widths), widths[0]) if widths else (False, 0.0, 0)
    return max(counts, key=lambda separator: counts[separator])


def _read_text(path: Path, text: str) -> "pd.DataFrame":
    import pandas as pd

    quote = "'" if text.lstrip().startswith("'") else '"'
    separator = _separator(text, quote)
    try:
        cells = pd.read_csv(
            io.StringIO(text),
            sep=separator,
            quotechar=quote,
            header=None,
            dtype=str,
            keep_default_na=False,
            skipinitialspace=True,
        )
    except pd.errors.EmptyDataError:
        cells = pd.DataFrame()
    except (pd.errors.ParserError, csv.Error) as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise DataError(f"{path} cannot be read as a table: {reason}") from error
    if len(cells) < 2:
        raise DataError(f"{path} has no rows below a header")
    _check_rows(path, text, separator, quote)
    return cells.iloc[1:].set_axis(cells.iloc[0].str.strip().tolist(), axis=1).reset_index(drop=True)


def _check_rows(path: Path, text: str, separator: str, quote: str) -> None:
    """Check that every row has all its values, which pandas does not, and that no cell holds rows."""
    reader = csv.reader(io.StringIO(text, newline=None), delimiter=separator, quotechar=quote, skipinitialspace=True)
    width, before = 0, 0
    for row in reader:
        lines, before = reader.line_num - before, reader.line_num
        width = width or len(row)
        if row and len(row) != width:
            raise DataError(f"{path}, line {before}: {len(row)} values, but {width} columns")
        inner = [line for cell in row for line in cell.split("\n")[1:-1]] if lines > 1 else []
        if lines > MAX_LINES_IN_CELL or (width > 1 and any(line.count(separator) >= width - 1 for line in inner)):
            raise DataError(f"{path}, line {before - lines + 1}: a quote opens here and closes {lines - 1} lines later")


def _checked(path: Path, frame: "pd.DataFrame") -> "pd.DataFrame":
    if not len(frame):
        raise DataError(f"{path} has no rows below a header")
    doubled = frame.columns[frame.columns.duplicated()]
    if len(doubled):
        raise DataError(f"{path} has two columns {doubled[0]!r}")
    return frame
