"""What the headers of .npy and .npz files promise, compared with what the files hold, before anything is read."""

import math
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from datamodules.regular_files import HostileFileError, check_regular, check_unfolded

MAGIC = np.lib.format.MAGIC_PREFIX
UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip  what NumPy and zipfile raise for damaged, encrypted and deeply nested content


def check_arrays(path: Path) -> None:
    """Check that a file's arrays are not larger than what it holds: NumPy makes room for what a header promises.

    Raises:
        HostileFileError: It is not a regular file, an array is larger than its bytes, or they unfold to too much.
        OSError, ValueError, zipfile.BadZipFile: It is missing or damaged.
    """
    check_regular(path)
    with path.open("rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            file.seek(0)
            _check(path, file, path.stat().st_size)
            return
    if not zipfile.is_zipfile(path):
        return  # NumPy says so
    with zipfile.ZipFile(path) as packed:
        check_unfolded(path, sum(member.file_size for member in packed.infolist()))
        for member in packed.infolist():
            with packed.open(member) as file:
                _check(path, file, member.file_size)


def _check(path: Path, file: IO[bytes], size: int) -> None:
    """Check the header that a file begins with; anything else than an array is left to NumPy."""
    if file.read(len(MAGIC)) != MAGIC:
        return
    major = file.read(2)[:1]
    read = np.lib.format.read_array_header_1_0 if major == b"\x01" else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        return  # NumPy refuses it
    promised = math.prod(shape) * max(dtype.itemsize, 1)
    if promised > size or any(length < 0 for length in shape):
        raise HostileFileError(path, f"an array of {shape} {dtype} is larger than its {size:,} bytes")
