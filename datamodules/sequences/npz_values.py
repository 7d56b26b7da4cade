"""The sequences in an array: one after the other, or one a row, padded or not."""

from dataclasses import dataclass

import numpy as np

from datamodules.errors import DataError
from datamodules.sequences.array_files import as_steps, check_finite
from datamodules.sequences.npz_names import Named
from datamodules.sequences.recorded import Array


class FormError(DataError):
    """Arrays do not fit together; the message needs the shapes of all."""


@dataclass(frozen=True)
class Arranged:
    """N sequences.

    Attributes:
        steps: Their true steps, one sequence after the other, (sum T, F), float32 or float64.
        lengths: Number of steps of each, (N,), int64.
        rows: Which steps of an array (N, T) are true, bool, if they came from such an array.
        words: How the array was read.
    """

    steps: Array
    lengths: Array
    rows: Array | None
    words: str


def arrange(path: str, named: Named) -> Arranged:
    """Return the sequences of a file, or of one of its parts.

    Raises:
        DataError: Values and lengths do not fit together, or a value is not a finite number.
    """
    name, values = named.roles["values"]
    if values.dtype.kind not in "fiub" or values.size == 0:
        raise DataError(f"{path}: {name} is {values.dtype} {values.shape}; sequences are numbers")
    if "lengths" not in named.roles:
        return _of_rows(path, name, values, _unpadded(path, name, values))
    of_lengths, lengths = named.roles["lengths"]
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or len(lengths) == 0:
        raise DataError(f"{path}: {of_lengths} must be whole numbers (N,); they are {lengths.dtype} {lengths.shape}")
    if lengths.min() < 1:
        raise DataError(f"{path}: sequence {int(lengths.argmin())} has length {int(lengths.min())}; leave it out")
    if int(lengths.max()) > values.size:  # before sums of them wrap around
        number = int(lengths.argmax())
        raise DataError(f"{path}: sequence {number} has length {int(lengths[number])}; {name} is {values.shape}")
    lengths = lengths.astype(np.int64)
    if values.ndim in (1, 2) and int(lengths.sum()) == len(values):
        return _checked(path, name, as_steps(values, name), lengths, None, "")
    if values.ndim in (2, 3) and len(lengths) == len(values) and lengths.max() <= values.shape[1]:
        return _of_rows(path, name, values, np.arange(values.shape[1]) < lengths[:, None])
    raise FormError(
        f"{path}: {of_lengths} add up to {int(lengths.sum())} steps; {name} has the shape {values.shape}, which is "
        f"neither all steps one after the other, ({int(lengths.sum())}, F), nor padded sequences, "
        f"({len(lengths)}, {int(lengths.max())}, F)"
    )


def _unpadded(path: str, name: str, values: Array) -> Array:
    """Return which steps are true where no lengths are given, (N, T): all but those at the end that are only NaN."""
    if values.ndim not in (2, 3):
        advice = "all steps one after the other need an array of lengths (N,)"
        advice = advice if values.ndim < 2 else "for images make a folder for each class (ImageFolder)"
        raise FormError(f"{path}: {name} {values.shape} is not sequences (N, T) or (N, T, F); {advice}")
    if values.dtype.kind != "f":
        return np.ones(values.shape[:2], dtype=bool)
    given: Array = ~np.asarray(np.isnan(values).reshape(*values.shape[:2], -1).all(axis=-1))
    true: Array = np.logical_or.accumulate(given[:, ::-1], axis=1)[:, ::-1]
    if not true[:, 0].all():
        raise DataError(f"{path}: sequence {int(true[:, 0].argmin())} of {name} is nothing but NaN; leave it out")
    return true


def _of_rows(path: str, name: str, values: Array, true: Array) -> Arranged:
    features = 1 if values.ndim == 2 else values.shape[2]
    words = f"{name} {values.shape} read as {len(values):,} sequences of {values.shape[1]:,} steps"
    words += f" of {features:,} features" if features > 1 else " of one feature"
    lengths = true.sum(1).astype(np.int64)
    words += ", padding cut off" if not true.all() else ""
    return _checked(path, name, as_steps(values[true], name), lengths, true, words)


def _checked(path: str, name: str, steps: Array, lengths: Array, true: Array | None, words: str) -> Arranged:
    finite = np.isfinite(steps).all(1)
    if not finite.all():
        ends = np.cumsum(lengths)
        sequence = int(np.searchsorted(ends, int(finite.argmin()), side="right"))
        own = steps[ends[sequence] - lengths[sequence] : ends[sequence]]
        check_finite(own, f"{path}: sequence {sequence} of {name}")
    return Arranged(steps, lengths, true, words)
