"""New sequences for a trained model: from arrays, from CSV files of numbers, or from a long table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from datamodules.errors import DataError
from datamodules.new_inputs import NewBatch, TrainedOn, Unreadable, in_batches, input_files, read_each
from datamodules.sequences.array_files import as_steps, check_finite, load_npy, load_npz
from datamodules.sequences.columns import check_column, read_columns, read_feature, texts
from datamodules.sequences.long_table import in_sequences
from datamodules.sequences.npz_names import name_inputs
from datamodules.sequences.npz_values import arrange
from datamodules.sequences.ragged import RaggedSequences, Sequences, check_padded_size
from datamodules.sequences.recorded import Array
from datamodules.sequences.sequence_csv import read_csv, read_numbers_of_files
from datamodules.tables.new_rows import TABLES

FILES = (".npy", ".npz", ".csv")
Sample = tuple[dict[str, Any], Array]


class Found(NamedTuple):
    """The sequences of a file.

    Attributes:
        steps: The steps of all, one sequence after the other, (sum T, F).
        lengths: Number of steps of each, (N,).
        keys: What the file calls each; None if it is one sequence.
    """

    steps: Array
    lengths: Array
    keys: Sequence[Any] | None


@dataclass(frozen=True)
class Layout:
    """How the files of a dataset hold sequences.

    Attributes:
        features: Number of features of a step.
        columns: Their names, if the training's files had any.
        alone: Whether each of the training's files held one sequence.
        sequence: Of long tables, the column that says which sequence a row belongs to; None: a .csv file is a sequence.
        time: Of long tables, the column that orders the rows of a sequence.
    """

    features: int
    columns: tuple[str, ...] = ()
    alone: bool = False
    sequence: str | None = None
    time: str | None = None


def read_new_sequences(path: Path, trained: TrainedOn, layout: Layout) -> Iterator[NewBatch]:
    """Yield the sequences of a file, or of all files below a folder.

    An .npy file holds one sequence, (T, F) or (T,), or several, (N, T, F); an .npz file holds what `SequenceFiles`
    takes, without targets; a .csv file is a sequence of numbers, a row a step, or a long table. A sequence is named by
    its "file" in a folder, and by its number or its key, "sequence", in a file that holds several.

    Args:
        path: The file or folder.
        trained: What the model was trained on.
        layout: How files hold sequences.

    Raises:
        DataError: There is no sequence.
    """
    endings = FILES if layout.sequence is None else TABLES
    files = read_each(input_files(path, endings), partial(_read, layout))
    samples = _of_folder(files, layout.alone) if path.is_dir() else _of_file(files)
    return in_batches(samples, trained.batch_size, partial(_join, trained))


def _read(layout: Layout, name: str, file: Path) -> tuple[str, Found]:
    if layout.sequence is not None and file.suffix.lower() in TABLES:
        found = _of_table(file, layout)
    elif file.suffix.lower() == ".npz":
        arranged = arrange(str(file), name_inputs(file, load_npz(file)))
        found = Found(arranged.steps, arranged.lengths, range(len(arranged.lengths)))
    elif file.suffix.lower() == ".npy":
        found = _of_array(file, layout.features)
    else:
        found = _of_csv(file, layout)
    if found.steps.shape[1] != layout.features:
        raise DataError(f"{file} has {found.steps.shape[1]} features a step; the model takes {layout.features}")
    check_finite(found.steps, str(file))
    return name, found


def _of_array(file: Path, features: int) -> Found:
    array = load_npy(file)
    if array.ndim == 2 and features == 1 and array.shape[1] > 1:
        array = array[:, :, np.newaxis]
    if array.ndim != 3:
        steps = as_steps(array, str(file))
        return Found(steps, np.array([len(steps)]), None)
    steps = as_steps(array.reshape(-1, array.shape[2]), str(file))
    return Found(steps, np.full(len(array), array.shape[1]), range(len(array)))


def _of_csv(file: Path, layout: Layout) -> Found:
    header, cells, _ = read_csv(file)
    if header and layout.columns:
        lacking = [repr(name) for name in layout.columns if name not in header]
        if lacking:
            raise DataError(f"{file} has no column {', '.join(lacking)}, which the model was trained on")
        cells = cells[list(layout.columns)]
    (steps,) = read_numbers_of_files({file: cells}).values()
    return Found(steps, np.array([len(steps)]), None)


def _of_table(file: Path, layout: Layout) -> Found:
    frame = read_columns(file)
    assert layout.sequence is not None
    named = {"sequence": [layout.sequence], "time": [layout.time] if layout.time else [], "features": layout.columns}
    for option, names in named.items():
        for name in names:
            check_column(file, frame, name, option)
    order, lengths = in_sequences(file, frame, layout.sequence, layout.time)
    steps = np.stack([read_feature(file, frame[name]) for name in layout.columns], axis=1)[order]
    keys = texts(frame[layout.sequence])[order]
    return Found(steps, lengths, keys[np.cumsum(lengths) - lengths].tolist())


def _of_file(files: Iterator[tuple[str, Found] | Unreadable]) -> Iterator[Sample | Unreadable]:
    """Yield the sequences of one file: by their number or key if it holds several, else by the file's name."""
    for file in files:
        if isinstance(file, Unreadable):
            yield file
            continue
        name, found = file
        if found.keys is None:
            yield {"file": name}, found.steps
        else:
            for key, steps in zip(found.keys, _divided(found), strict=True):
                yield {"sequence": key}, steps


def _of_folder(files: Iterator[tuple[str, Found] | Unreadable], alone: bool) -> Iterator[Sample | Unreadable]:
    """Yield the sequences of a folder's files: by the file's name, with the number or key unless all are alone."""
    for file in files:
        if isinstance(file, Unreadable):
            yield file
            continue
        name, found = file
        if not alone:
            for key, steps in zip([0] if found.keys is None else found.keys, _divided(found), strict=True):
                yield {"file": name, "sequence": key}, steps
        elif found.keys is None:
            yield {"file": name}, found.steps
        else:
            yield Unreadable(name, "holds several sequences, and each file of the training held one: give it alone")


def _divided(found: Found) -> list[Array]:
    return np.split(found.steps, np.cumsum(found.lengths)[:-1])


def _join(trained: TrainedOn, sequences: list[Array]) -> Tensor | Sequences:
    """Return sequences as one raw input: padded, with their lengths if the model takes them or they differ.

    Raises:
        DataError: They are too large for memory.
    """
    lengths = torch.tensor([len(steps) for steps in sequences])
    step_bytes = sequences[0].shape[1] * trained.dtype.itemsize
    check_padded_size("new sequences", len(lengths), lengths, step_bytes, "lower data.eval_batch_size")
    steps = torch.from_numpy(np.concatenate(sequences)).to(trained.dtype)
    padded = RaggedSequences(steps, lengths).pad(torch.arange(len(lengths)))
    return padded if trained.lengths or int(lengths.min()) < int(lengths.max()) else padded.values
