"""Sequences as files: a folder with a subfolder of .npy or .csv files for each class, and maybe one for each part."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from lightning.pytorch.utilities import rank_zero_warn

from datamodules.errors import DataError
from datamodules.images.class_files import SUFFIXES
from datamodules.images.image_layout import part_folders, subfolders
from datamodules.precision import numbered_features
from datamodules.sequences.array_files import as_steps, check_finite, load_npy
from datamodules.sequences.recorded import Array, Recorded
from datamodules.sequences.sequence_csv import read_csv, read_numbers_of_files

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".npy", ".csv")


def read_folder(path: Path) -> Recorded:
    """Read a folder that has a subfolder of .npy or .csv files for each class, or train/, val/, test/ with such.

    Raises:
        DataError: There are none, a file cannot be read, or sequences have different features.
    """
    try:
        listed, left_out = _list(path)
    except OSError as error:
        raise DataError(f"{error.filename} cannot be listed ({error.strerror})") from error
    classes = sorted({label for _, label, _ in listed})
    files = [file for _, _, file in listed]
    names, sequences = _read(files)
    if len(files) < 3:
        raise DataError(f"{path} holds {len(files)} sequence(s); a training, a validation and a test part need three")
    if len(classes) < 2:
        raise DataError(
            f"{path} holds one class folder ({classes[0]}); put the sequences of two or more classes into "
            f"{path}/<class>/"
        )
    parts = {part: np.flatnonzero([own == part for own, _, _ in listed]) for part in ("train", "val", "test")}
    return Recorded(
        str(path),
        np.concatenate(sequences),
        np.array([len(sequence) for sequence in sequences]),
        np.array([classes.index(label) for _, label, _ in listed]),
        False,
        tuple(classes),
        names,
        parts={part: indices for part, indices in parts.items() if len(indices)},
        files=[file.relative_to(path).as_posix() for file in files],
        facts=[f"{count:,} {kind}{'s' * (count > 1)} ignored" for kind, count in sorted(left_out.items())],
        columns=() if names == numbered_features(len(names)) else tuple(names),
    )


def _list(path: Path) -> tuple[list[tuple[str, str, Path]], Counter[str]]:
    """Return part, class and path of each file, in order, and what is left out, counted by kind."""
    listed: list[tuple[str, str, Path]] = []
    left_out: Counter[str] = Counter()
    for part, folder in (part_folders(path) or {"": path}).items():
        found = subfolders(folder)
        if not found:
            raise DataError(
                f"{folder} holds no class folders; a folder of sequences has a subfolder for each class, with one file "
                "for each sequence"
            )
        for own in found:
            files = [file for file in sorted(own.rglob("*")) if not file.is_dir()]
            taken = [file for file in files if _is_sequence(file, own)]
            if not taken:
                images = any(file.suffix.lower() in SUFFIXES for file in files)
                raise DataError(
                    f"{own} holds no .npy file and no .csv file; a folder of sequences has a subfolder for each class, "
                    "with one file for each sequence" + (" (images: --data ImageFolder --data.data_dir)" * images)
                )
            listed += [(part, own.name, file) for file in taken]
            left_out["other file"] += len(files) - len(taken)
        left_out["stray file"] += sum(not file.is_dir() and file.name[0] != "." for file in folder.iterdir())
    return listed, +left_out


def _is_sequence(file: Path, folder: Path) -> bool:
    hidden = any(name.startswith(".") for name in file.relative_to(folder).parts)
    return file.suffix.lower() in ENDINGS and not hidden


def _read(files: list[Path]) -> tuple[list[str], list[Array]]:
    """Return the names of the features, and the sequences with their features in that order."""
    arrays: dict[Path, Array] = {}
    tables: dict[Path, pd.DataFrame] = {}
    names: list[str] | None = None
    noticed: set[str] = set()
    for file in files:
        header: list[str] = []
        if file.suffix.lower() == ".csv":
            header, tables[file], notes = read_csv(file)
            noticed.update(notes)
        else:
            arrays[file] = as_steps(load_npy(file), str(file))
        width = (tables if file in tables else arrays)[file].shape[1]
        header = header or numbered_features(width)
        names = names or header
        if len(header) != len(names):
            raise DataError(f"{file} has {len(header)} features a step; {files[0]} has {len(names)}")
        if sorted(header) != sorted(names):
            raise DataError(f"{file} has the columns {', '.join(header)}; {files[0]} has {', '.join(names)}")
        if file in tables:
            tables[file] = tables[file][names]
    for note in sorted(noticed):
        rank_zero_warn(note)
    assert names is not None
    arrays |= read_numbers_of_files(tables)
    for file, steps in arrays.items():
        check_finite(steps, str(file))
    return names, [arrays[file] for file in files]
