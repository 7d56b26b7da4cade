"""Arrays of inputs: images, a table or sequences, told by their shapes, and each in the form that batches need."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from datamodules.array_values import OWNER, Array, as_array, as_arrays, as_numbers, is_frame
from datamodules.errors import DataError
from datamodules.precision import numbered_features
from datamodules.sequences.array_files import as_steps, check_finite
from datamodules.sequences.npz_names import Named
from datamodules.sequences.npz_values import Arranged, arrange

Kind = Literal["images", "table", "sequences"]
Channels = Literal["first", "last"]
MOST_CHANNELS = 4  # grey, colours, transparency
RANGES = (1.0, 255.0, 65535.0)  # of floats, bytes and 16-bit images
SMALL_PART = 8  # images that reach less than this part of a range have another


def find_kind(inputs: Any) -> Kind:
    """Return what inputs are by their shape.

    Raises:
        DataError: It may be two kinds, or is none.
    """
    if is_frame(inputs):
        return "table"
    arrays, of_arrays = as_arrays("inputs", inputs)
    if isinstance(arrays, list):
        widths = {array.shape[1:] for array in arrays}
        if any(array.ndim > 2 or (array.dtype == np.uint8 and len(widths) > 1) for array in arrays):
            raise DataError(
                f"{OWNER}: inputs are images of different sizes, such as {arrays[0].shape} and {arrays[-1].shape}: "
                "resize them, or save them in a folder for each class, which ImageFolder reads"
            )
        return "sequences"
    if arrays.ndim < 3:
        return "table"
    if arrays.ndim == 4 or (arrays.ndim == 3 and arrays.dtype.name in ("uint8", "bool")):
        return "images"
    if arrays.ndim == 3 and of_arrays:
        return "sequences"
    if arrays.ndim == 3:
        raise DataError(
            f"{OWNER}: inputs {arrays.shape} may be images (N, H, W) or sequences (N, T, F): say which, kind='images' "
            "or kind='sequences'"
        )
    raise DataError(
        f"{OWNER}: inputs {arrays.shape} are not images (N, H, W) or (N, C, H, W), a table (N, F) or sequences "
        "(N, T, F); for anything else write a DataModule with a load of its own"
    )


def read_images(inputs: Any, channels: Channels | None) -> tuple[Tensor, Channels]:
    """Return images (N, C, H, W), uint8 if that holds them, else float32; and where their channels were.

    Raises:
        DataError: They are no images, or it cannot be told where their channels are.
    """
    array, _ = as_arrays("inputs", inputs)
    if isinstance(array, list) or array.ndim not in (3, 4):
        shape = "of different shapes" if isinstance(array, list) else array.shape
        raise DataError(f"{OWNER}: inputs {shape} are not images (N, H, W), (N, C, H, W) or (N, H, W, C)")
    if array.ndim == 3:
        array, found = array[:, None], "first"
    else:
        found = channels or _find_channels(array.shape)
        array = array if found == "first" else array.transpose(0, 3, 1, 2)
    if array.dtype.kind in "iub" and array.min() >= 0 and array.max() <= 255:
        array = array.astype(np.uint8)
    else:
        array = as_numbers("inputs", array).astype(np.float32, copy=False)
    return torch.from_numpy(np.ascontiguousarray(array)), "last" if found == "last" else "first"


def _find_channels(shape: Sequence[int]) -> Channels:
    first, last = shape[1] <= MOST_CHANNELS, shape[3] <= MOST_CHANNELS
    if first == last:
        raise DataError(
            f"{OWNER}: it cannot be told where the channels of images {tuple(shape)} are: say channels='first' for "
            "(N, C, H, W) or channels='last' for (N, H, W, C)"
        )
    return "first" if first else "last"


def likely_maximum(lowest: float, highest: float) -> float:
    """Return the largest value that images with values from `lowest` to `highest` may have."""
    if lowest < 0 or highest == 0:
        return 1.0
    return next((top for top in RANGES if top / SMALL_PART <= highest <= top), highest)


def read_table(inputs: Any) -> tuple[Tensor, list[str]]:
    """Return rows (N, F), float32 or float64, and what messages call the features: a data frame's column names.

    Raises:
        DataError: They are not numbers.
    """
    names = list(map(str, inputs.columns)) if is_frame(inputs) else []
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"{OWNER}: two columns of the data frame are called {twice!r}; rename one")
    wrong = list(inputs.select_dtypes(exclude=["number", "bool"]).columns) if names else []
    if wrong:
        raise DataError(
            f"{OWNER}: the column {str(wrong[0])!r} of the data frame does not hold numbers; Tabular reads texts, "
            "dates and gaps from a file: inputs.to_parquet('mine.parquet')"
        )
    array = as_array("inputs", inputs)
    if array.ndim > 2:
        raise DataError(f"{OWNER}: inputs {array.shape} are not a table (N, F)")
    array = array.reshape(len(array), -1)
    names = names or numbered_features(array.shape[1])
    return torch.from_numpy(as_numbers("inputs", array, names)), names


def read_sequences(inputs: Any) -> Arranged:
    """Return sequences, one after the other; padding at their ends that is only NaN is cut off.

    Raises:
        DataError: They are not sequences of numbers, or differ in their features.
    """
    arrays, _ = as_arrays("inputs", inputs)
    if not isinstance(arrays, list):
        return arrange(OWNER, Named({"values": ("inputs", arrays)}))
    steps = [as_steps(array, f"{OWNER}: inputs[{place}]") for place, array in enumerate(arrays)]
    for place, own in enumerate(steps):
        check_finite(own, f"{OWNER}: inputs[{place}]")
        if own.shape[1] != steps[0].shape[1]:
            raise DataError(
                f"{OWNER}: inputs[{place}] {arrays[place].shape} has another number of features than inputs[0] "
                f"{arrays[0].shape}"
            )
    lengths = np.array([len(own) for own in steps])
    return Arranged(np.concatenate(steps), lengths, None, "")


def read_step_targets(targets: Any, arranged: Arranged) -> Array:
    """Return targets of sequences as one array; those of steps in a list of arrays one after the other, (sum T, ...).

    Raises:
        DataError: They are no arrays, or an array does not hold a target for each step.
    """
    arrays, _ = as_arrays("targets", targets)
    if not isinstance(arrays, list):
        return arrays
    given, wanted = [len(array) for array in arrays], arranged.lengths.tolist()
    if given != wanted:
        if len(given) != len(wanted):
            raise DataError(f"{OWNER}: there are {len(wanted)} inputs and {len(given)} targets")
        place = next(place for place, (one, other) in enumerate(zip(given, wanted, strict=True)) if one != other)
        raise DataError(f"{OWNER}: targets[{place}] holds {given[place]} targets for {wanted[place]} steps")
    return np.concatenate(arrays)
