"""New texts for a trained model: a column of a table, or the lines of a text file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_warn

from datamodules.errors import DataError
from datamodules.new_inputs import NewBatch, TrainedOn, in_slices, input_files, read_each
from datamodules.regular_files import read_text
from datamodules.sequences.columns import check_column, read_columns, texts
from datamodules.sequences.vocabulary import Vocabulary
from datamodules.tables.new_rows import row_names
from datamodules.tables.reading import PARQUET

LINES = ".txt"
ENDINGS = (".csv", ".tsv", LINES, *PARQUET)


def read_new_texts(path: Path, trained: TrainedOn, text: str, target: str) -> Iterator[NewBatch]:
    """Return texts as token ids, named by their "row", whose first is a table's header or a .txt file's first text.

    Args:
        path: A .txt file with a text in each line, a CSV or Parquet file, or a folder of such files.
        trained: What the model was trained on; its manifest holds the "vocabulary".
        text: Name of the column of texts.
        target: Name of the target column; that it is not used is said.

    Raises:
        DataError: There is no such file.
    """
    vocabulary = Vocabulary(**trained.manifest["vocabulary"])

    def read(name: str, file: Path) -> tuple[dict[str, list[Any]], list[str]]:
        of_folder = name if path.is_dir() else None
        if file.suffix.lower() == LINES:
            lines = _lines(file)
            return row_names(of_folder, len(lines), 1), lines
        frame = read_columns(file)
        check_column(file, frame, text, "text")
        if target in frame.columns:
            rank_zero_warn(f"{file}: the target column {target!r} is not used: predictions need inputs alone")
        return row_names(of_folder, len(frame), 2), texts(frame[text]).tolist()

    return in_slices(read_each(input_files(path, ENDINGS), read), trained.batch_size, vocabulary.encode)


def _lines(file: Path) -> list[str]:
    try:
        lines = read_text(file, "utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not text in UTF-8") from error
    written = lines[:-1] if lines[-1] == "" else lines
    if not written:
        raise DataError(f"{file} is empty")
    return written
