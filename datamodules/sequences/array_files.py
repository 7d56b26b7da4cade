"""Arrays in .npy and .npz files, read without unpickling anything, and what makes one a sequence."""

from pathlib import Path

import numpy as np

from datamodules.errors import DataError
from datamodules.regular_files import HostileFileError
from datamodules.sequences.array_headers import UNREADABLE, check_arrays
from datamodules.sequences.recorded import Array

OBJECTS = "Object arrays"  # how NumPy's message begins where an array could be read only by unpickling


def load_npz(path: Path) -> dict[str, Array]:
    """Return the arrays of an .npz file by their names; one of Python objects, which is not read, has no values.

    Raises:
        DataError: It does not exist, cannot be read, or holds a single array.
    """
    try:
        check_arrays(path)
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            raise DataError(
                f"{path} holds one array; save the targets with it, np.savez(path, x=sequences, y=targets), or a "
                "folder with a subfolder of .npy files for each class"
            )
        with content:
            return {name: _member(content, name) for name in content.files}
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist") from error
    except DataError:
        raise
    except HostileFileError as error:
        raise DataError(f"{path} cannot be read as arrays: {error.strerror}") from error
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be read as an .npz file: {error}") from error


def _member(content: "np.lib.npyio.NpzFile", name: str) -> Array:
    try:
        array: Array = content[name]
    except ValueError as error:
        if not str(error).startswith(OBJECTS):
            raise
        return np.array([], dtype=object)
    return array


def load_npy(path: Path) -> Array:
    """Return the array of an .npy file.

    Raises:
        DataError: It cannot be read, or holds Python objects or several arrays.
    """
    try:
        check_arrays(path)
        array = np.load(path, allow_pickle=False)
    except HostileFileError as error:
        raise DataError(f"{path} cannot be read as an array: {error.strerror}") from error
    except UNREADABLE as error:
        advice = "save numbers: np.save(file, np.asarray(sequence, dtype=float))"
        raise DataError(
            f"{path} holds Python objects, which are never unpickled; {advice}"
            if str(error).startswith(OBJECTS)
            else f"{path} is not an array that numpy.save wrote"
        ) from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} holds several arrays; it must hold one")
    return array


def as_steps(array: Array, name: str) -> Array:
    """Return numbers (T, F) or (T,) as steps (T, F): float32 if that holds every number of their type, else float64.

    Args:
        array: The numbers.
        name: What messages call them.

    Raises:
        DataError: They are not numbers, have another form, or there are none.
    """
    if array.dtype.kind not in "fiub" or array.ndim not in (1, 2) or array.size == 0:
        raise DataError(f"{name} is {array.dtype} {array.shape}; a sequence is numbers (T, F), at least one step")
    exact = np.can_cast(array.dtype, np.float32)
    return array.astype(np.float32 if exact else np.float64, copy=False).reshape(len(array), -1)


def check_finite(steps: Array, name: str) -> None:
    """Check that no value of a sequence is NaN or infinite.

    Raises:
        DataError: One is; the message names its step and feature, counted from 0.
    """
    finite = np.isfinite(steps)
    if not finite.all():
        step, feature = np.argwhere(~finite)[0]
        raise DataError(
            f"{name} holds NaN or infinite values (step {step}, feature {feature}, counted from 0): fill them in or "
            "leave the step out"
        )
