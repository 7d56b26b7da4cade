"""New rows for a trained model, read in the form that the training file had."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from datamodules.errors import DataError
from datamodules.tables.columns import check_single, read_column_as
from datamodules.tables.encoding import ColumnEncoding

if TYPE_CHECKING:
    import pandas as pd


def encode_rows(frame: "pd.DataFrame", encodings: Sequence[ColumnEncoding]) -> Tensor:
    """Return the raw inputs of new rows, (N, K), float64, which a trained model takes.

    Args:
        frame: A table with the feature columns, texts as `datamodules.tables.reading.read_table` reads them, or typed
            values. Texts are read in the form that the training file had: "1.234" is 1234 where that had "2.500,10".
        encodings: Of K columns. A checkpoint has them as plain values, under "split" and "columns"; see
            `ColumnEncoding.from_plain`.

    Raises:
        DataError: A column is missing, or a cell is not what its column holds, or is written in another form.
    """
    missing = next((encoding.name for encoding in encodings if encoding.name not in frame.columns), None)
    if missing is not None:
        raise DataError(f"the rows have no column {missing!r}, which the model was trained on")
    codes = []
    for encoding in encodings:
        cells = frame[encoding.name].reset_index(drop=True)
        check_single("the rows", encoding.name, cells)
        codes.append(encoding.codes(read_column_as("the rows", encoding.name, cells, encoding.kind, encoding.form)))
    return torch.from_numpy(np.stack(codes, axis=1))
