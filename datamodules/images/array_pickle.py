"""Reading an untrusted pickle of arrays: a pickle is a program, and this calls only what makes arrays."""

import codecs
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.errors import DataError
from datamodules.regular_files import HostileFileError, open_regular

# The functions in NumPy's pickles, taken from NumPy itself because their module moved: numpy.core became numpy._core.
_MAKERS = {
    "multiarray": {"_reconstruct": np.empty(0).__reduce__()[0], "scalar": np.float64().__reduce__()[0]},
    "numeric": {"_frombuffer": np.empty(0).__reduce_ex__(5)[0]},
}
ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): codecs.encode,  # Python 3 writes bytes for Python 2 with it
} | {
    (f"numpy.{core}.{module}", name): maker
    for core in ("core", "_core")
    for module, makers in _MAKERS.items()
    for name, maker in makers.items()
}


class _ForbiddenError(Exception):
    """A pickle names something other than arrays and plain containers."""


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise _ForbiddenError(f"{module}.{name}")
        return ADMITTED[module, name]


def read_array_pickle(path: Path) -> dict[str, Any]:
    """Return the dictionary in a file, made of arrays, numbers, text and plain containers of them.

    Text written by Python 2 is read as Latin-1, as NumPy's documentation advises.

    Raises:
        DataError: The file is missing, truncated, not a pickle, not a dictionary, or would run code.
    """
    try:
        with open_regular(path) as file:
            content = _ArrayUnpickler(file, encoding="latin1").load()
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing") from error
    except HostileFileError as error:
        raise DataError(f"{path} cannot be opened ({error.strerror})") from error
    except _ForbiddenError as error:
        raise DataError(
            f"{path} asks for {error}, which a pickle of arrays does not need: it may run code; delete it"
        ) from None
    except Exception as error:  # damaged bytes make an unpickler raise almost anything
        raise DataError(f"{path} is not a whole pickle (truncated or corrupt); delete it and fetch it again") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a {type(content).__name__}, not a dictionary")
    return content
