"""Your own sequences: an .npz file, or folders of .npy files, one folder per class."""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from typing_extensions import override

from datamodules.errors import DataError
from datamodules.samples import UNLABELLED, Samples
from datamodules.sequences.sequence_data import SequenceDataModule

Array = npt.NDArray[Any]
ARRAYS = ("values", "lengths", "targets")
FORMAT = (
    "values, all sequences one after the other, (sum T, F); lengths, the number of steps of each, (N,); and targets, "
    "(N,), or (sum T,) for labels of steps"
)


@dataclass(frozen=True)
class Recorded:
    """Sequences read from files.

    Attributes:
        sequences: N sequences, each (T, F), float32.
        targets: (N,), int64; or N labels (T,), int64, one per step; or (N, outputs), float32.
        class_names: C names; none if targets are continuous.
    """

    sequences: list[Tensor]
    targets: Tensor | list[Tensor]
    class_names: tuple[str, ...]


class SequenceFiles(SequenceDataModule):
    """Sequences of different lengths from files that hold arrays of numbers and text, not objects.

    Args:
        path: An .npz file or a folder. The file holds `values`, all sequences one after the other, (sum T, F) or
            (sum T,); `lengths`, the number of steps of each, (N,); and `targets`: integer labels of sequences, (N,),
            or of steps, (sum T,), with -100 for unlabelled ones; or floats, (N,) or (N, outputs). It may hold
            `class_names`, (C,); by default the greatest label decides the number of classes. The folder holds one
            subfolder per class with one .npy file per sequence, (T, F) or (T,).
        kwargs: Arguments of `DataModule`.

    Raises:
        DataError: A file cannot be read, or its arrays do not have this form.
    """

    may_change_on_resume = ("path",)

    def __init__(self, path: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.path = Path(path)
        self._recorded = read_folder(self.path) if self.path.is_dir() else read_npz(self.path)
        sequences = self._recorded.sequences
        self.class_names = self._recorded.class_names
        self.input_shape = (max(map(len, sequences)), sequences[0].shape[1])

    @override
    def load(self) -> Samples:
        recorded = self._recorded
        inputs = pad_sequence(recorded.sequences, batch_first=True)
        lengths = torch.tensor([len(sequence) for sequence in recorded.sequences])
        targets = recorded.targets
        if not isinstance(targets, Tensor):
            targets = pad_sequence(targets, batch_first=True, padding_value=UNLABELLED)
        return Samples(inputs, targets, lengths=lengths)


def read_npz(path: Path) -> Recorded:
    """Read an .npz file in the form that `SequenceFiles` describes.

    Raises:
        DataError: It cannot be read, or its arrays do not fit together.
    """
    arrays = _load(path)
    if not isinstance(arrays, dict):
        raise DataError(f"{path} holds one array; an .npz file is needed, with {FORMAT}")
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        there = ", ".join(sorted(arrays)) or "none"
        raise DataError(f"{path} has no array {missing[0]!r}; there are {there}. It must hold {FORMAT}")
    values, lengths, targets = (arrays[name] for name in ARRAYS)
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or len(lengths) == 0:
        raise DataError(f"{path}: lengths must be whole numbers (N,); they are {lengths.dtype} {lengths.shape}")
    if lengths.min() < 1:
        raise DataError(f"{path}: sequence {int(lengths.argmin())} has length {int(lengths.min())}")
    if values.ndim == 0 or int(lengths.sum()) != len(values):
        raise DataError(f"{path}: lengths add up to {int(lengths.sum())} steps; values have the shape {values.shape}")
    ends = np.cumsum(lengths.astype(np.int64))[:-1]
    pieces = np.split(values, ends)
    sequences = [_sequence(piece, f"{path}: sequence {number}") for number, piece in enumerate(pieces)]
    if targets.dtype.kind == "f":
        if targets.ndim not in (1, 2) or len(targets) != len(lengths) or not np.isfinite(targets).all():
            raise DataError(
                f"{path}: targets {targets.shape} must be finite numbers, one row for each of {len(lengths)} sequences"
            )
        return Recorded(sequences, torch.from_numpy(targets.astype(np.float32)).view(len(lengths), -1), ())
    if targets.dtype.kind not in "iu" or targets.shape not in ((len(lengths),), (len(values),)):
        raise DataError(
            f"{path}: targets are {targets.dtype} {targets.shape}; they must be integers or floats, one for each of "
            f"{len(lengths)} sequences, or integers, one for each of {len(values)} steps"
        )
    labels = torch.from_numpy(targets.astype(np.int64))
    names = tuple(map(str, np.atleast_1d(arrays.get("class_names", np.arange(max(int(labels.max()) + 1, 1))))))
    if len(set(names)) < len(names):
        raise DataError(f"{path}: class_names {', '.join(names)} are not all different")
    if len(labels) == len(lengths):
        return Recorded(sequences, labels, names)
    return Recorded(sequences, [torch.from_numpy(piece) for piece in np.split(labels.numpy(), ends)], names)


def read_folder(path: Path) -> Recorded:
    """Read a folder that has a subfolder of .npy files for each class.

    Raises:
        DataError: There are none, a file cannot be read, or sequences have different features.
    """
    folders = sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    files = [(label, file) for label, folder in enumerate(folders) for file in sorted(folder.glob("*.npy"))]
    empty = sorted(set(range(len(folders))) - {label for label, _ in files})
    if not folders or empty:
        raise DataError(f"{folders[empty[0]]} holds no .npy file" if empty else f"{path} holds no class folders")
    sequences = []
    for _, file in files:
        array = _load(file)
        if isinstance(array, dict):
            raise DataError(f"{file} holds several arrays; it must hold one")
        sequences.append(_sequence(array, str(file)))
        if sequences[-1].shape[1] != sequences[0].shape[1]:
            features = sequences[0].shape[1]
            raise DataError(f"{file} has {sequences[-1].shape[1]} features a step; {files[0][1]} has {features}")
    return Recorded(sequences, torch.tensor([label for label, _ in files]), tuple(folder.name for folder in folders))


def _load(path: Path) -> Array | dict[str, Array]:
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content
        with content:
            return {name: content[name] for name in content.files}
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist") from error
    except (OSError, EOFError, ValueError, NotImplementedError, BadZipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read as arrays without objects: {error}") from error


def _sequence(array: Array, name: str) -> Tensor:
    """Return an array (T, F) or (T,) as a sequence (T, F)."""
    if array.dtype.kind not in "fiub" or array.ndim not in (1, 2) or array.size == 0:
        raise DataError(f"{name} is {array.dtype} {array.shape}; a sequence is numbers (T, F), at least one step")
    sequence = torch.from_numpy(array.astype(np.float32)).view(len(array), -1)
    if not bool(sequence.isfinite().all()):
        raise DataError(f"{name} holds NaN or infinite values")
    return sequence
