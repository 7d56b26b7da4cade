"""One writer a run: a lock on its folder, which the system takes from a process that ends in whatever way."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.cli.errors import UsageError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
TAKEN = (errno.EACCES, errno.EAGAIN)


@contextmanager
def locked(folder: Path | None) -> Iterator[None]:
    """Keep other processes from training in a run's folder; where the file system has no locks, do nothing.

    Raises:
        UsageError: Another process trains in it.
    """
    file = None if folder is None or fcntl is None else _lock(folder)
    try:
        yield
    finally:
        if file is not None and folder is not None:
            (folder / LOCK).unlink(missing_ok=True)
            os.close(file)


def is_locked(folder: Path) -> bool:
    """Return whether another process trains in a run's folder."""
    try:
        with locked(folder):
            return False
    except UsageError:
        return True


def _lock(folder: Path) -> int | None:
    path = folder / LOCK
    while True:
        # The file is closed in the processes that this one starts, and a lock of this kind is not inherited.
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(file, 200, 0).decode(errors="replace").strip() or "another process"
            os.close(file)
            if error.errno not in TAKEN:
                return None
            raise UsageError(f"{folder} is being trained in by {owner}; wait until it ends, or end it") from error
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(file).st_ino == path.stat().st_ino:
                os.ftruncate(file, 0)
                os.pwrite(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
                return file
        os.close(file)  # its owner has just ended, and removed it
