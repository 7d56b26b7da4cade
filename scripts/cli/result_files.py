"""Files of predictions: CSV and Parquet, written whole or not at all, while the predictions come."""

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from callbacks.files import display_path
from datamodules.atomic_write import atomic_write
from datamodules.printable import FORMULA_STARTS, without_codes
from scripts.cli.errors import UsageError

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetWriter

Columns = Mapping[str, Sequence[Any]]
PARQUET = (".parquet", ".pq")
ENDINGS = (".csv", *PARQUET)


class ResultFile(Protocol):
    """A file that predictions are added to; the columns are those of the first."""

    def add(self, columns: Columns) -> None:
        """Add rows: N values of each column."""


def check_replaceable(path: Path, example: str) -> None:
    """Check that a file of `--output` may be replaced.

    Args:
        path: The file.
        example: Name of such a file, for the message.

    Raises:
        UsageError: It is a folder or a device.
    """
    if path.is_dir():
        raise UsageError(f"--output {path} is a folder; name a file in it: --output {path / example}")
    if path.exists() and not path.is_file():
        raise UsageError(f"--output {path} is not a regular file: it would be replaced")


def check_writable(path: Path, example: str, sources: Iterable[Path | None] = ()) -> None:
    """Check that a file can be written, before the work whose result it is to hold.

    Args:
        path: The file.
        example: Name of such a file, for the message.
        sources: Files and folders that the work reads.

    Raises:
        UsageError: It is a folder or a device, or is read itself, or its folder cannot be made or written in.
    """
    check_replaceable(path, example)
    for source in sources:
        if source is not None and path.exists() and source.exists() and _is_in(path, source):
            raise UsageError(f"--output {path} would replace what is read from {display_path(source)}; name another")
    there = next(parent for parent in path.absolute().parents if parent.exists())
    if not there.is_dir():
        raise UsageError(f"--output {path}: {display_path(there)} is a file, not a folder")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise UsageError(f"--output {path}: cannot write in {display_path(there)} ({error.strerror})") from error


def _is_in(path: Path, source: Path) -> bool:
    return path.samefile(source) or (source.is_dir() and source.resolve() in path.resolve().parents)


def check_ending(path: Path) -> None:
    """Check that a file's ending says how to write it.

    Raises:
        UsageError: It does not.
    """
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(f"--output {path}: name a {' or '.join(ENDINGS)} file")


@contextmanager
def open_results(path: Path) -> Iterator[ResultFile]:
    """Open a CSV or Parquet file, by its ending, for rows as they come; it is there whole at the end, or not at all."""
    with atomic_write(path) as file:
        if path.suffix.lower() not in PARQUET:
            yield _CSVFile(file)
            return
        parquet = _ParquetFile(file)
        try:
            yield parquet
        finally:
            parquet.close()


class _CSVFile:
    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.empty = True

    def add(self, columns: Columns) -> None:
        if self.empty:
            self.file.write(csv_text([columns]))
        self.empty = False
        written = [map(cell_text, [name] * len(values), values) for name, values in columns.items()]
        self.file.write(csv_text(zip(*written, strict=True)))


class _ParquetFile:
    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.writer: ParquetWriter | None = None

    def add(self, columns: Columns) -> None:
        import pyarrow as pa  # takes a third of a second to import
        from pyarrow import parquet

        table = pa.table({name: list(values) for name, values in columns.items()})
        if self.writer is None:
            self.writer = parquet.ParquetWriter(self.file, table.schema)
        self.writer.write_table(table.cast(self.writer.schema))

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


def cell_text(column: str, value: Any) -> Any:
    """Return a value for a CSV file: six digits of a probability, every digit of another number, text as it is."""
    return f"{value:.6g}" if isinstance(value, float) and column.startswith("probability") else value


def write_predictions(path: Path, columns: Mapping[str, Sequence[object]]) -> None:
    """Write a header and one row per prediction.

    Text that a spreadsheet would run as a formula, such as a class named `=1+1`, is written with a `'` before it, as
    OWASP's "CSV Injection" advises; numbers stay as they are.

    Args:
        path: The file; it is written whole or not at all.
        columns: Values of each column, all of the same length.
    """
    write_rows(path, [columns, *zip(*columns.values(), strict=True)])


def write_rows(path: Path, rows: Iterable[Iterable[object]]) -> None:
    """Write rows as a CSV file, as `csv_text` makes it, whole or not at all."""
    with atomic_write(path) as file:
        file.write(csv_text(rows))


def csv_text(rows: Iterable[Iterable[object]]) -> bytes:
    """Return rows as the text of a CSV file, UTF-8, in which no cell is run by a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")  # cells are quoted for the characters of a line's end alone
    writer.writerows(map(plain_cell, row) for row in rows)
    return text.getvalue().replace("\r\n", "\n").encode()


def plain_cell(value: object) -> object:
    """Return a value that a spreadsheet shows and does not run, and that a terminal shows and does not obey."""
    if not isinstance(value, str):
        return value
    shown = without_codes(value)
    try:
        float(value)
    except ValueError:
        return f"'{shown}" if value.startswith(FORMULA_STARTS) else shown
    return shown
