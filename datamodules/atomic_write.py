"""Writing a file atomically: it is there whole, or not at all."""

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

LEFTOVER = re.compile(r"\..+\.[a-z0-9_]{8}")  # as `mkstemp` names it


class WriteError(OSError):
    """A file cannot be written, because the disk is full or the folder read-only, say; the message names it.

    Args:
        path: The file.
        reason: What the system says.
    """

    def __init__(self, path: Path | str, reason: Exception | str) -> None:
        why = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
        super().__init__(f"{path} cannot be written ({why})")
        self.strerror = why


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; without an error it is synced to disk and replaces `path` at the end.

    After an error, or a kill at any moment, `path` is unchanged. An error that names another file, which is read
    meanwhile, say, is raised as it is.

    Raises:
        WriteError: The file cannot be written.
    """
    try:
        with _replacing(path) as file:
            yield file
    except WriteError:
        raise
    except OSError as error:
        if _names_another(error, path):
            raise
        raise WriteError(path, error) from error
    except RuntimeError as error:  # torch's archive writer raises its own error after a failed write
        cause = error.__context__
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__context__
        if cause is None:
            raise
        raise WriteError(path, cause) from error


def _names_another(error: OSError, path: Path) -> bool:
    """Return whether an error is of another file than `path`, its folders and its temporary file."""
    if not isinstance(error.filename, str):
        return False
    return not path.is_relative_to(error.filename) and LEFTOVER.fullmatch(Path(error.filename).name) is None


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
        _sync_folder(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote into a folder, or below it.

    Call it while no other process writes there.
    """
    for path in folder.rglob(".*"):
        if LEFTOVER.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Sync the names in a folder to disk: without that, a power cut may undo a rename."""
    if os.name == "nt":  # Windows cannot open folders
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot sync folders
            raise
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
