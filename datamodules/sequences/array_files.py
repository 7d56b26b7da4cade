"""Sequences as arrays: an .npz file, or a folder with a subfolder of .npy or .csv files for each class."""

import csv
import warnings
from pathlib import Path

import numpy as np

from datamodules.errors import DataError
from datamodules.regular_files import HostileFileError, check_regular
from datamodules.sequences.array_headers import UNREADABLE, check_arrays
from datamodules.sequences.recorded import Array, Recorded

ARRAYS = ("values", "lengths", "targets")
FORMAT = (
    "values, all sequences one after the other, (sum T, F); lengths, the number of steps of each, (N,); and targets, "
    "(N,), or (sum T,) for labels of steps"
)
MOST_CLASSES = 100_000
ENDINGS = (".npy", ".csv")
SEPARATORS = ",;\t"


def read_npz(path: Path) -> Recorded:
    """Read an .npz file in the form that `SequenceFiles` describes.

    Raises:
        DataError: It cannot be read, or its arrays do not fit together.
    """
    arrays = _load(path)
    if not isinstance(arrays, dict):
        raise DataError(
            f"{path} holds one array; an .npz file is needed, with {FORMAT}; or a folder with a subfolder of .npy "
            "files for each class"
        )
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        there = ", ".join(sorted(arrays)) or "none"
        raise DataError(f"{path} has no array {missing[0]!r}; there are {there}. It must hold {FORMAT}")
    values, lengths, targets = (arrays[name] for name in ARRAYS)
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or len(lengths) == 0:
        raise DataError(f"{path}: lengths must be whole numbers (N,); they are {lengths.dtype} {lengths.shape}")
    if len(too_long := np.flatnonzero(lengths > len(np.atleast_1d(values)))):
        number = int(too_long[0])
        raise DataError(f"{path}: sequence {number} has length {int(lengths[number])}; values have {values.shape}")
    if lengths.min() < 1:
        raise DataError(f"{path}: sequence {int(lengths.argmin())} has length {int(lengths.min())}")
    if values.ndim == 0 or int(lengths.sum()) != len(values):
        raise DataError(f"{path}: lengths add up to {int(lengths.sum())} steps; values have the shape {values.shape}")
    pieces = np.split(values, np.cumsum(lengths.astype(np.int64))[:-1])
    steps = np.concatenate([_sequence(piece, f"{path}: sequence {number}") for number, piece in enumerate(pieces)])
    names = [f"feature {number}" for number in range(steps.shape[1])]
    of_steps = len(targets.shape) > 0 and len(targets) == len(values) != len(lengths)
    if targets.dtype.kind == "f":
        _check_numbers(path, targets, len(lengths), len(values), of_steps)
        columns = targets.astype(np.float64).reshape(len(targets), -1)
        return Recorded(str(path), steps, lengths, columns, of_steps, (), names)
    if targets.dtype.kind not in "iu" or targets.shape not in ((len(lengths),), (len(values),)):
        raise DataError(
            f"{path}: targets are {targets.dtype} {targets.shape}; they must be integers or floats, one for each of "
            f"{len(lengths)} sequences, or integers, one for each of {len(values)} steps, or floats of steps"
        )
    labels = targets.astype(np.int64)
    named = np.atleast_1d(arrays["class_names"]) if "class_names" in arrays else None
    count = max(int(labels.max()) + 1, 1) if named is None else named.size
    if count > MOST_CLASSES:
        raise DataError(
            f"{path}: targets up to {count - 1} make {count:,} classes; at most {MOST_CLASSES:,} are allowed"
        )
    classes = tuple(map(str, np.arange(count) if named is None else named))
    if len(set(classes)) < len(classes):
        raise DataError(f"{path}: class_names {', '.join(classes)} are not all different")
    return Recorded(str(path), steps, lengths, labels, of_steps, classes, names)


def _check_numbers(path: Path, targets: Array, sequences: int, steps: int, of_steps: bool) -> None:
    finite = np.isfinite(targets) | (np.isnan(targets) & of_steps)
    if targets.ndim not in (1, 2) or len(targets) not in (sequences, steps) or not finite.all():
        raise DataError(
            f"{path}: targets {targets.shape} must be finite numbers, one row for each of {sequences} sequences or for "
            f"each of {steps} steps (there NaN marks a step without a target)"
        )


def read_folder(path: Path) -> Recorded:
    """Read a folder that has a subfolder of .npy or .csv files for each class.

    Raises:
        DataError: There are none, a file cannot be read, or sequences have different features.
    """
    folders = sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    files = [(label, file) for label, folder in enumerate(folders) for file in _files(folder)]
    empty = sorted(set(range(len(folders))) - {label for label, _ in files})
    if not folders or empty:
        raise DataError(
            f"{folders[empty[0]]} holds no .npy file and no .csv file; a folder of sequences has a subfolder for each "
            "class, with one file for each sequence"
            if empty
            else f"{path} holds no class folders"
        )
    names: list[str] | None = None
    sequences: list[Array] = []
    for _, file in files:
        header, sequence = _read_csv(file) if file.suffix.lower() == ".csv" else ([], _read_npy(file))
        header = header or [f"feature {number}" for number in range(sequence.shape[1])]
        names = names or header
        if len(header) != len(names):
            raise DataError(f"{file} has {len(header)} features a step; {files[0][1]} has {len(names)}")
        if sorted(header) != sorted(names):
            raise DataError(f"{file} has the columns {', '.join(header)}; {files[0][1]} has {', '.join(names)}")
        sequences.append(sequence if header == names else sequence[:, [header.index(name) for name in names]])
    lengths = np.array([len(sequence) for sequence in sequences])
    labels = np.array([label for label, _ in files])
    if len(files) < 3:
        raise DataError(f"{path} holds {len(files)} sequence(s); a training, a validation and a test part need three")
    assert names is not None
    classes = tuple(folder.name for folder in folders)
    return Recorded(str(path), np.concatenate(sequences), lengths, labels, False, classes, names)


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in ENDINGS and file.name[0] != ".")


def _load(path: Path) -> Array | dict[str, Array]:
    try:
        check_arrays(path)
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content
        with content:
            return {name: content[name] for name in content.files}
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist") from error
    except HostileFileError as error:
        raise DataError(f"{path} cannot be read as arrays: {error.strerror}") from error
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be read as arrays without objects: {error}") from error


def read_array(path: Path, name: str) -> Array:
    """Return one array of an .npz file.

    Raises:
        DataError: There is no such array.
    """
    arrays = _load(path)
    if not isinstance(arrays, dict) or name not in arrays:
        there = ", ".join(sorted(arrays)) if isinstance(arrays, dict) else "one array"
        raise DataError(f"{path} has no array {name!r}; there are {there}")
    return arrays[name]


def _read_npy(file: Path) -> Array:
    array = _load(file)
    if isinstance(array, dict):
        raise DataError(f"{file} holds several arrays; it must hold one")
    return _sequence(array, str(file))


def _read_csv(file: Path) -> tuple[list[str], Array]:
    """Return the names of the columns, [] without a header, and the numbers, (T, F)."""
    try:
        check_regular(file)
        with file.open(encoding="utf-8-sig") as lines:
            first = lines.readline()
        separator = max(SEPARATORS, key=first.count)
        cells = [cell.strip() for cell in next(csv.reader([first], delimiter=separator), [])]
        header = [] if all(map(_is_number, cells)) else cells
        with warnings.catch_warnings(action="ignore"):  # of no rows, which _sequence refuses
            numbers = np.loadtxt(
                file,
                delimiter=separator,
                skiprows=int(bool(header)),
                ndmin=2,
                encoding="utf-8-sig",
                quotechar='"',
                comments=None,
            )
    except (OSError, ValueError) as error:
        counted = "rows counted from 0, without the header and empty lines"
        raise DataError(f"{file} is not a table of numbers: {error} ({counted})") from error
    if header and len(set(header)) < len(header):
        raise DataError(f"{file} has two columns of the same name: {', '.join(header)}")
    if header and numbers.size and numbers.shape[1] != len(header):
        raise DataError(f"{file} has {len(header)} columns and {numbers.shape[1]} numbers in a row")
    return header, _sequence(numbers, str(file))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _sequence(array: Array, name: str) -> Array:
    """Return an array (T, F) or (T,) as a sequence (T, F), float64."""
    if array.dtype.kind not in "fiub" or array.ndim not in (1, 2) or array.size == 0:
        raise DataError(f"{name} is {array.dtype} {array.shape}; a sequence is numbers (T, F), at least one step")
    sequence = array.astype(np.float64).reshape(len(array), -1)
    if not np.isfinite(sequence).all():
        raise DataError(f"{name} holds NaN or infinite values")
    return sequence
