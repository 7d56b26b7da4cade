"""New inputs for a model of any dataset: image files, rows of numbers, or arrays of what the dataset itself holds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datamodules.errors import DataError
from datamodules.images.new_images import CHANNELS, read_images
from datamodules.new_inputs import NewBatch, TrainedOn, in_slices, input_files, read_each
from datamodules.sequences.array_files import load_npy
from datamodules.tables.new_rows import read_number_rows

ARRAY = ".npy"


def read_any_inputs(path: Path, trained: TrainedOn) -> Iterator[NewBatch]:
    """Return batches of new inputs for a model whose dataset has no file format of its own.

    An .npy file holds raw inputs (N, ...), as the dataset holds them. Where these are images, image files will do too;
    where they are rows of numbers, a table with as many columns.

    Args:
        path: A file, or a folder of such files.
        trained: What the model was trained on.

    Raises:
        DataError: There is nothing that the model takes.
    """
    if path.suffix.lower() != ARRAY or path.is_dir():
        if len(trained.shape) == 3 and trained.shape[0] in CHANNELS:
            return read_images(path, trained, resized=False)
        if len(trained.shape) == 1:
            return read_number_rows(path, trained)
        if path.is_file():
            raise DataError(f"{path}: the model takes inputs {trained.shape}; save them as an {ARRAY} file, (N, ...)")

    def read(name: str, file: Path) -> tuple[dict[str, list[Any]], Tensor]:
        array = load_npy(file)
        if array.shape[1:] != trained.shape or not len(array) or array.dtype.kind not in "fiub":
            wanted = ", ".join(map(str, ("N", *trained.shape)))
            raise DataError(f"{file} holds {array.dtype} {array.shape}; the model takes numbers ({wanted})")
        of_files = {"file": [name] * len(array)} if path.is_dir() else {}
        return {**of_files, "index": list(range(len(array)))}, _as_type(file, array, trained.dtype)

    return in_slices(read_each(input_files(path, (ARRAY,)), read), trained.batch_size)


def _as_type(file: Path, array: "np.ndarray[Any, Any]", dtype: torch.dtype) -> Tensor:
    """Return an array as raw inputs: floats, which models of bytes take too, or token ids."""
    if not np.isfinite(array).all():
        raise DataError(f"{file} holds NaN or infinite values")
    kept = dtype if dtype in (torch.float64, torch.int64) else torch.float32
    return torch.from_numpy(array).to(kept)
