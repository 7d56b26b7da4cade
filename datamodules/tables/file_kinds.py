"""Files that are no tables of text: recognised by their first bytes, and what to do about each."""

from pathlib import Path

from datamodules.errors import DataError

# Files that people take for tables; `check_text` says what to do about each.
REFUSED_ENDINGS = (".xlsx", ".xlsm", ".xls", ".ods", ".json", ".gz", ".zip", ".feather", ".h5", ".sqlite", ".db")
EXPORT = "is a spreadsheet (Excel); open it there and save the sheet as 'CSV UTF-8'"
UNPACK = "is compressed; unpack it first"
ARCHIVE = b"PK\3\4"  # of ZIP; PK alone may be the name of a column, and so may PAR1
FIRST_BYTES = {
    b"\xd0\xcf\x11\xe0": EXPORT,
    b"\x1f\x8b": UNPACK,
    b"BZh": UNPACK,
    b"\xfd7zXZ\0": UNPACK,
    b"(\xb5/\xfd": UNPACK,
    b"PAR1\x15": "is a Parquet file; name it .parquet",
    b"ARROW1\0": "is a Feather file; save the table as CSV or Parquet",
    b"\x89HDF": "is an HDF5 file; save the table as CSV or Parquet",
    b"SQLite format 3\0": "is a database (SQLite); save the table as CSV or Parquet",
}
# By the first and the last sign: a column's name may begin with one.
ENCLOSED = {b"{}": "is JSON", b"[]": "is JSON", b"<>": "is XML or a web page"}


def check_text(path: Path, content: bytes) -> None:
    """Check that a file without a byte order mark may be a table of text.

    Raises:
        DataError: It is something else; the message says what, and what to do.
    """
    if content.startswith(ARCHIVE):
        raise DataError(f"{path} {EXPORT if b'xl/' in content else 'is a spreadsheet or an archive; save it as CSV'}")
    reason = next((reason for first, reason in FIRST_BYTES.items() if content.startswith(first)), None)
    if reason is not None:
        raise DataError(f"{path} {reason}")
    if b"\0" in content:
        raise DataError(f"{path} is not a text file; save it as CSV in UTF-8")
    stripped = content.strip()
    signs = stripped[:1] + stripped[-1:]
    if signs in ENCLOSED:
        raise DataError(f"{path} {ENCLOSED[signs]}, not a table; save it as CSV")
