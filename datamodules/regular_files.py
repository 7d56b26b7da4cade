"""Files that a stranger may have made: only regular ones are opened, and none fills memory or disk.

A named pipe makes its reader wait for ever, a device such as /dev/zero never ends, and a few megabytes of an archive
may unfold to terabytes.
"""

import errno
import gzip
import stat
from pathlib import Path
from typing import IO, BinaryIO

from datamodules.atomic_write import atomic_write

LARGEST_READ = 8 * 2**30  # bytes of a file that is read as a whole
FREELY_UNFOLDED = 2 * 2**30  # bytes that any file may unfold to
MOST_TIMES_ITS_SIZE = 20  # that a file may unfold to beyond that
CHUNK = 2**20
KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


class HostileFileError(OSError):
    """A file was refused for its kind, its size or its damage; `strerror` says which."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(errno.EINVAL, reason, str(path))


def check_regular(path: Path | str, largest: int = LARGEST_READ) -> None:
    """Check that a file may be opened and read as a whole; a link counts as what it leads to.

    Args:
        path: The file.
        largest: Bytes that it may hold.

    Raises:
        HostileFileError: It is not a regular file, or holds more.
        OSError: It is not there.
    """
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):
        raise HostileFileError(path, f"{KINDS.get(stat.S_IFMT(status.st_mode), 'special')}, not a regular file")
    if status.st_size > largest:
        raise HostileFileError(path, f"larger than {in_words(largest)}")


def open_regular(path: Path, largest: int = LARGEST_READ) -> BinaryIO:
    """Open a file for reading; raise the errors of `check_regular`."""
    check_regular(path, largest)
    return path.open("rb")


def read_bytes(path: Path, largest: int = LARGEST_READ) -> bytes:
    """Return a file's content; raise the errors of `check_regular`."""
    with open_regular(path, largest) as file:
        return file.read()


def read_text(path: Path, encoding: str = "utf-8", largest: int = LARGEST_READ) -> str:
    """Return a file's text, with any line end as a newline; raise the errors of `check_regular`.

    Raises:
        UnicodeDecodeError: It is not text.
    """
    return read_bytes(path, largest).decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def most_unfolded(path: Path | str) -> int:
    """Return how many bytes a file may unfold to: 2 GiB, or 20 times its size if that is more."""
    return max(FREELY_UNFOLDED, MOST_TIMES_ITS_SIZE * Path(path).stat().st_size)


def check_unfolded(path: Path | str, size: int) -> None:
    """Check that the content of a file is not much larger than the file.

    Args:
        path: The file.
        size: Bytes that its content takes in memory or on disk.

    Raises:
        HostileFileError: It unfolds to more than 2 GiB and to more than 20 times its size.
    """
    if size > most_unfolded(path):
        raise HostileFileError(path, f"it unfolds to more than {in_words(most_unfolded(path))}")


def unpack_gzip(archive: Path, target: Path) -> None:
    """Unpack a .gz file; `target` is there whole or not at all.

    Raises:
        HostileFileError: It unfolds to too much.
        OSError, EOFError, zlib.error: It cannot be read, or is damaged.
    """
    check_regular(archive)
    with gzip.open(archive, "rb") as packed, atomic_write(target) as file:
        copy_unfolded(archive, packed, file)


def copy_unfolded(archive: Path, packed: IO[bytes] | gzip.GzipFile, file: IO[bytes]) -> None:
    """Copy what an archive unfolds to; raise a `HostileFileError` as soon as it is too much."""
    size, most = 0, most_unfolded(archive)
    while chunk := packed.read(CHUNK):
        size += len(chunk)
        if size > most:
            raise HostileFileError(archive, f"it unfolds to more than {in_words(most)}")
        file.write(chunk)


def in_words(size: int) -> str:
    """Return a number of bytes in GiB or MiB."""
    return f"{size / 2**30:.3g} GiB" if size >= 2**30 else f"{size / 2**20:.3g} MiB"
