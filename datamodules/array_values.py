"""What a notebook holds (NumPy arrays, tensors, data frames, lists of them) as arrays of numbers or texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from datamodules.errors import DataError

Array = npt.NDArray[Any]
OWNER = "Arrays"
TEXT = "US"
NUMBERS = "fiub"
EXACT_IN_FLOAT32 = ("bool", "uint8", "int8", "uint16", "int16", "float16", "float32")


def as_array(name: str, value: Any) -> Array:
    """Return a value as one array of numbers or texts; nothing is unpickled, and no file is read.

    Args:
        name: What messages call it.
        value: An array, a tensor, a data frame or a series, or a list that NumPy makes an array of.

    Raises:
        DataError: It is something else, has no elements, or holds objects.
    """
    found = _convert(name, value)
    if found.dtype.kind not in NUMBERS + TEXT:
        kind = "dates; give numbers, days or seconds say" if found.dtype.kind in "mM" else f"{found.dtype} values"
        raise DataError(f"{OWNER}: {name} holds {kind}; arrays hold numbers, and targets numbers or texts")
    if found.ndim == 0:
        raise DataError(f"{OWNER}: {name} is {_shown(value)}; it must hold one item for each sample")
    if found.size == 0:
        raise DataError(f"{OWNER}: {name} is empty, of the shape {found.shape}")
    return found


def as_arrays(name: str, value: Any) -> tuple[list[Array] | Array, bool]:
    """Return a value as one array, or as a list of arrays that differ in shape; and whether it was a list of arrays.

    Args:
        name: What messages call it.
        value: As in `as_array`, or a list of such values, one for each sample.

    Raises:
        DataError: As for `as_array`.
    """
    items = value.tolist() if _holds_arrays(value) else value
    if not isinstance(items, list | tuple) or not any(_is_nested(item) for item in items):
        return as_array(name, value), False
    arrays = [as_array(f"{name}[{place}]", item) for place, item in enumerate(items)]
    of_arrays = not any(isinstance(item, list | tuple) for item in items)
    if len({array.shape for array in arrays}) == 1:
        return np.stack(arrays), of_arrays
    return arrays, of_arrays


def _convert(name: str, value: Any) -> Array:
    if isinstance(value, Tensor):
        half = value.dtype == torch.bfloat16  # which NumPy does not have
        return (value.float() if half else value).detach().cpu().numpy()
    if isinstance(value, str) or hasattr(value, "__fspath__"):
        raise DataError(
            f"{OWNER}: {name} is {_shown(value)}, not an array; files are read by Tabular, SequenceFiles, "
            "TextSequences and ImageFolder"
        )
    if isinstance(value, bytes | dict | set) or value is None:
        raise DataError(f"{OWNER}: {name} is {_shown(value)}; it must be an array or a tensor")
    missing = np.asarray(value.isna() if _is_pandas(value) else np.ma.getmask(value))
    if missing.any():
        sample, *place = np.argwhere(missing)[0].tolist()
        where = f", column {str(value.columns[place[0]])!r}" if is_frame(value) else ""
        raise DataError(f"{OWNER}: {name} of sample {sample}{where}: the value is missing; fill it in, or leave it out")
    try:
        found = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"{OWNER}: {name} cannot be read as an array: {error}") from error
    return _plain(name, value, found) if found.dtype == object else found


def is_frame(value: Any) -> bool:
    """Return whether a value is a data frame of pandas's."""
    return _is_pandas(value) and value.ndim == 2


def _is_pandas(value: Any) -> bool:
    return type(value).__module__.split(".")[0] == "pandas" and hasattr(value, "isna")


def _plain(name: str, value: Any, objects: Array) -> Array:
    """Return an array of Python objects that are all texts or all numbers as such; "" or NaN stands for None."""
    if objects.ndim == 0:
        raise DataError(f"{OWNER}: {name} is {_shown(value)}; it must be an array or a tensor")
    items = objects.ravel().tolist()
    missing = [item is None or item != item for item in items] if all(map(_is_plain, items)) else []
    known = [item for item, gap in zip(items, missing, strict=False) if not gap]
    if known and all(isinstance(item, str) for item in known):
        texts = ["" if gap else item for item, gap in zip(items, missing, strict=True)]
        return np.array(texts).reshape(objects.shape)
    if known and not any(isinstance(item, str) for item in known):
        numbers = [np.nan if gap else item for item, gap in zip(items, missing, strict=True)]
        return np.array(numbers).reshape(objects.shape)
    wrong = next((item for item in items if not _is_plain(item)), None)
    holds = f"Python objects, such as {_shown(wrong)}" if wrong is not None else "texts and numbers mixed"
    raise DataError(f"{OWNER}: {name} holds {holds}; arrays hold numbers, and targets numbers or texts")


def _is_plain(item: Any) -> bool:
    return item is None or isinstance(item, str | int | float | np.generic)


def _holds_arrays(value: Any) -> bool:
    """Return whether a value is an object array (N,) of arrays, as NumPy has those of different shapes."""
    return isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 1 and any(map(_is_nested, value))


def _is_nested(item: Any) -> bool:
    """Return whether an item of a list is an array itself, or may be one."""
    return isinstance(item, list | tuple) or (hasattr(item, "__array__") and np.ndim(item) > 0)


def _shown(value: Any) -> str:
    plain = isinstance(value, str | int | float) and len(repr(value)) < 60
    return repr(value) if plain else f"a {type(value).__name__}"


def as_numbers(name: str, array: Array, features: Sequence[str] = ()) -> Array:
    """Return numbers as float32 where that holds every number of their type, else as float64.

    Args:
        name: What messages call them.
        array: (N, ...).
        features: What messages call each of F features, if the array is (N, F).

    Raises:
        DataError: They are texts, or one is NaN or infinite; the message names the sample.
    """
    if array.dtype.kind not in NUMBERS:
        example = str(array.ravel()[0])
        raise DataError(
            f"{OWNER}: {name} holds texts, such as {example!r}, not numbers; of a table with texts make a CSV or "
            "Parquet file for Tabular, of texts one for TextSequences"
        )
    finite = np.isfinite(array)
    if not finite.all():
        sample, *place = np.argwhere(~finite)[0].tolist()
        where = f" ({features[place[0]]})" if features and len(place) == 1 else ""
        raise DataError(
            f"{OWNER}: {name} of sample {sample}{where} hold NaN or an infinite value ({int((~finite).sum()):,} in "
            "all): fill them in, or leave the samples out"
        )
    return array.astype(np.float32 if array.dtype.name in EXACT_IN_FLOAT32 else np.float64)
