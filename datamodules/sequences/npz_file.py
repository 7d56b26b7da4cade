"""Sequences in an .npz file: their arrays may have the usual names and forms, and be divided into parts."""

from functools import partial
from pathlib import Path

import numpy as np
from lightning.pytorch.utilities import rank_zero_warn

from datamodules.errors import DataError
from datamodules.precision import numbered_features
from datamodules.sequences.array_files import load_npz
from datamodules.sequences.npz_names import Named, name_arrays, shapes
from datamodules.sequences.npz_targets import Origin, by_rows, read_targets
from datamodules.sequences.npz_values import FormError, arrange
from datamodules.sequences.recorded import Array, Recorded


def read_npz(path: Path, continuous: bool | None = None, target: str | None = None) -> Recorded:
    """Read an .npz file in one of the forms that `SequenceFiles` describes.

    Args:
        path: The file.
        continuous: Whether targets are numbers to predict; None decides by their type.
        target: Name of the array of targets; None finds it by the usual names.

    Raises:
        DataError: It cannot be read, or its arrays do not fit together.
    """
    arrays = load_npz(path)
    named = name_arrays(path, arrays, target)
    try:
        return _recorded(str(path), named, continuous)
    except FormError as error:
        raise DataError(f"{error}. The file holds {shapes(arrays)}") from error


def _recorded(path: str, parts: dict[str, Named], continuous: bool | None) -> Recorded:
    arranged = {part: arrange(path, named) for part, named in parts.items()}
    features = {part: one.steps.shape[1] for part, one in arranged.items()}
    if len(set(features.values())) > 1:
        words = ", ".join(f"{count} in {part}" for part, count in features.items())
        raise DataError(f"{path}: sequences have different numbers of features: {words}")
    rows = {part: by_rows(path, *named.roles["targets"], arranged[part]) for part, named in parts.items()}
    forms = {(of_steps, targets.shape[1:]) for targets, of_steps in rows.values()}
    first = next(iter(parts.values()))
    name = first.roles["targets"][0]
    if len(forms) > 1:
        raise DataError(f"{path}: {name} has another form in another part")
    of_steps = next(iter(forms))[0]
    targets = np.concatenate([found for found, _ in rows.values()])
    names = first.roles["class_names"][1] if "class_names" in first.roles else None
    read = read_targets(Origin(path, name), targets, of_steps, names, continuous)
    if read.note:
        rank_zero_warn(read.note)
    lengths = np.concatenate([one.lengths for one in arranged.values()])
    ends = np.cumsum([len(one.lengths) for one in arranged.values()])
    places = {part: np.arange(end - len(arranged[part].lengths), end) for part, end in zip(parts, ends, strict=True)}
    steps = np.concatenate([one.steps for one in arranged.values()])
    return Recorded(
        path,
        steps,
        lengths,
        read.values,
        of_steps,
        read.class_names,
        numbered_features(steps.shape[1]),
        parts=places if len(parts) > 1 else {},
        facts=[f"{part}: {one.words}" if part else one.words for part, one in arranged.items() if one.words],
        column=partial(_value_of_sequences, path, {part: named.others for part, named in parts.items()}, len(lengths)),
    )


def _value_of_sequences(path: str, parts: dict[str, dict[str, Array]], count: int, name: str) -> Array:
    """Return a value for each sequence, (N,), from an array of the file, or from one in each part."""
    found = [arrays[name] for arrays in parts.values() if name in arrays]
    if len(found) < len(parts):
        there = ", ".join(sorted(set.intersection(*(set(arrays) for arrays in parts.values())))) or "none"
        raise DataError(f"{path} has no array {name!r} beside sequences and targets; there are {there}")
    if any(array.dtype == object for array in found):
        raise DataError(f"{path}: {name} holds Python objects, which are never unpickled; save numbers or texts")
    if any(array.ndim != 1 for array in found) or sum(map(len, found)) != count:
        form = " and ".join(str(array.shape) for array in found)
        raise DataError(f"{path}: {name} has the shape {form}; it must hold one value for each of {count:,} sequences")
    return np.concatenate(found)
