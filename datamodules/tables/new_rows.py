"""New rows for a trained model, read in the form that the training file had."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from datamodules.errors import DataError
from datamodules.new_inputs import NewBatch, TrainedOn, in_slices, input_files, read_each
from datamodules.tables.columns import check_single, read_column_as, read_numbers
from datamodules.tables.encoding import ColumnEncoding, as_tensor, check_finite, encode
from datamodules.tables.reading import PARQUET, read_table

if TYPE_CHECKING:
    import pandas as pd

TABLES = (".csv", ".tsv", ".txt", ".data", *PARQUET)  # endings of the files in a folder of tables
ROWS = "the rows"
MOST_NAMED = 5
Rows = tuple[dict[str, list[Any]], Tensor]


def encode_rows(frame: "pd.DataFrame", encodings: Sequence[ColumnEncoding], owner: str = ROWS) -> Tensor:
    """Return the raw inputs of new rows, (N, K), float64, which a trained model takes.

    Args:
        frame: A table with the feature columns, texts as `datamodules.tables.reading.read_table` reads them, or typed
            values. Texts are read in the form that the training file had: "1.234" is 1234 where that had "2.500,10".
        encodings: Of K columns. A checkpoint has them as plain values, under "split" and "columns"; see
            `ColumnEncoding.from_plain`.
        owner: What messages call the table.

    Raises:
        DataError: A column is missing, or a cell is not what its column holds, or is written in another form.
    """
    missing = [repr(encoding.name) for encoding in encodings if encoding.name not in frame.columns]
    if missing:
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        some = f"column{'s' * (len(missing) > 1)} {', '.join(missing[:MOST_NAMED])}{more}"
        raise DataError(f"{owner} {'have' if owner == ROWS else 'has'} no {some}, which the model was trained on")
    codes = []
    for encoding in encodings:
        cells = frame[encoding.name].reset_index(drop=True)
        check_single(owner, encoding.name, cells)
        codes.append(encoding.codes(read_column_as(owner, encoding.name, cells, encoding.kind, encoding.form)))
    return torch.from_numpy(np.stack(codes, axis=1))


def read_new_rows(path: Path, trained: TrainedOn, targets: Sequence[str]) -> Iterator[NewBatch]:
    """Yield the rows of a table, or of each table in a folder, as raw inputs (n, K), named by their "row".

    Columns that training did not use are ignored. A category that training did not see is none of its categories, as
    in training; a warning counts them.

    Args:
        path: The CSV or Parquet file, or a folder of them.
        trained: What the model was trained on; its manifest holds "columns".
        targets: Names of the target columns; that they are not used is said.

    Raises:
        DataError: There is no table.
    """
    encodings = [ColumnEncoding.from_plain(plain) for plain in trained.manifest["columns"]]
    categories = [place for place, encoding in enumerate(encodings) if encoding.values]

    def read(name: str, file: Path) -> Rows:
        frame = _read(file, targets)
        raw = encode_rows(frame, encodings, str(file))
        check_finite(str(file), encode(raw, as_tensor(encodings)), encodings, frame.index)
        unseen = int(raw[:, categories].isnan().sum())
        if unseen:
            cells = "1 cell holds a category" if unseen == 1 else f"{unseen:,} cells hold categories"
            rank_zero_warn(f"{file}: {cells} that training did not see")
        return row_names(name if path.is_dir() else None, len(frame)), raw

    return in_slices(read_each(input_files(path, TABLES), read), trained.batch_size)


def read_number_rows(path: Path, trained: TrainedOn, names: Sequence[str] = ()) -> Iterator[NewBatch]:
    """Yield the rows of a table, or of each in a folder, whose columns hold the numbers that a model takes, (n, F).

    Args:
        path: The CSV or Parquet file, or a folder of them.
        trained: What the model was trained on.
        names: Names of the F columns. A table that has them all may have others; in any other, columns are taken in
            their order, and there must be F.

    Raises:
        DataError: There is no table.
    """
    (features,) = trained.shape

    def read(name: str, file: Path) -> Rows:
        frame = _read(file, ())
        if names and set(names) <= set(frame.columns):
            frame = frame[list(names)]
        if len(frame.columns) != features:
            called = f" ({', '.join(names)})" if names else ""
            raise DataError(f"{file} has {len(frame.columns)} columns; the model takes {features} numbers{called}")
        numbers = [read_numbers(str(file), str(column), frame[column]) for column in frame.columns]
        raw = torch.from_numpy(np.stack(numbers, axis=1)).to(trained.dtype)
        return row_names(name if path.is_dir() else None, len(frame)), raw

    return in_slices(read_each(input_files(path, TABLES), read), trained.batch_size)


def row_names(file: str | None, rows: int, first: int = 2) -> dict[str, list[Any]]:
    """Return the columns that identify a table's rows: "row", by default below a header, and the "file" of several."""
    numbers = {"row": list(range(first, rows + first))}
    return numbers if file is None else {"file": [file] * rows, **numbers}


def _read(file: Path, targets: Sequence[str]) -> "pd.DataFrame":
    frame, notes = read_table(file)
    for note in notes:
        rank_zero_warn(note)
    given = [repr(name) for name in targets if name in frame.columns]
    if given:
        rank_zero_warn(f"{file}: the target column {', '.join(given)} is not used: predictions need inputs alone")
    return frame
