"""Files written by `torch.save`, read without running code and within limits."""

import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datamodules.regular_files import HostileFileError, check_regular, check_unfolded

MOST_VALUES = 10_000_000  # in containers; what several of them share counts each time
MOST_LEVELS = 100
LARGEST_FILE = 2**40  # bytes


def load_tensors(path: str | Path, map_location: Any = "cpu", **options: Any) -> Any:
    """Return a file's content: tensors, plain values and containers of them.

    Args:
        path: The file.
        map_location: Where the tensors go.
        options: Further arguments of `torch.load`.

    Raises:
        HostileFileError: It is not a regular file, a record of it is damaged, or it unfolds to far more than its size.
        OSError: It cannot be opened.
        Exception: It is damaged or holds objects; torch raises nearly anything.
    """
    check_regular(path, LARGEST_FILE)
    if zipfile.is_zipfile(path):
        _check_archive(path)
        check_records(path)
    content = torch.load(path, map_location=map_location, weights_only=True, **options)
    try:
        _measure(content, {}, 0)
    except OverflowError as error:
        raise HostileFileError(path, str(error)) from error
    check_unfolded(path, _tensor_bytes(content, set()))
    return content


def _check_archive(path: str | Path) -> None:
    """Check that the records of an archive are stored as they are, each in a place of its own, as torch stores them."""
    with zipfile.ZipFile(path) as records:
        members = records.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise HostileFileError(path, "its records are compressed, which torch.save does not do")
    if sum(member.file_size for member in members) > Path(path).stat().st_size:
        raise HostileFileError(path, "its records are larger than the file")


def check_records(path: str | Path) -> None:
    """Check that every record of an archive is as it was written: torch does not compare their checksums.

    Raises:
        HostileFileError: A record is damaged; `strerror` names it.
        BadZipFile, NotImplementedError, OSError, RuntimeError, EOFError, zlib.error: It cannot be read as an archive.
    """
    with zipfile.ZipFile(path) as records:
        damaged = records.testzip()
    if damaged is not None:
        raise HostileFileError(path, f"it is damaged: {damaged}")


def _inner(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return list(value) if isinstance(value, list | tuple | set | frozenset) else []


def _measure(value: Any, sizes: dict[int, int], level: int) -> int:
    """Return how many values a container stands for; 0 marks one that is being measured."""
    if level > MOST_LEVELS:
        raise OverflowError(f"it is nested more than {MOST_LEVELS} levels deep")
    inner = _inner(value)
    if not inner:
        return 1
    known = sizes.get(id(value))
    if known == 0:
        raise OverflowError("a value holds itself")
    if known is None:
        sizes[id(value)] = 0
        known = sizes[id(value)] = 1 + sum(_measure(part, sizes, level + 1) for part in inner)
    if known > MOST_VALUES:
        raise OverflowError(f"it holds more than {MOST_VALUES:,} values")
    return known


def _tensor_bytes(value: Any, seen: set[int]) -> int:
    """Return the bytes of all tensors if each were stored in full: a view may repeat one number billions of times."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    return sum(_tensor_bytes(part, seen) for part in _inner(value))
