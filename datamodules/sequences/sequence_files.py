"""Your own sequences: an .npz file, a folder of .npy or .csv files, one folder per class, or a long table."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt
from torch import Tensor
from typing_extensions import override

from datamodules.errors import DataError
from datamodules.samples import Samples
from datamodules.sequences.long_table import read_long_table
from datamodules.sequences.npz_file import read_npz
from datamodules.sequences.recorded import Recorded
from datamodules.sequences.sequence_data import SequenceDataModule
from datamodules.sequences.sequence_folder import read_folder
from datamodules.splitting.path_values import values_in_paths
from datamodules.tables.reading import PARQUET
from datamodules.tables.targets import read_weights

TARGET = "target"
TABLES = (".csv", ".tsv", ".txt", *PARQUET)


class SequenceFiles(SequenceDataModule):
    """Sequences of different lengths from files that hold numbers and text, not objects.

    An .npz file holds sequences as `values` (or x, inputs, data, features, sequences) and `targets` (or y, labels), in
    any case. Values are (N, T, F), or (N, T) of one feature, padded if `lengths` (N,) says so or if the last steps are
    only NaN; or all sequences one after the other, (sum T, F) or (sum T,), with `lengths`. Targets are of sequences,
    (N,), or of steps, (N, T) or (sum T,): integers or texts are classes, with -100 and "" for unlabelled steps; one-hot
    rows (N, C) are classes, other 0 and 1 in integers or booleans (N, L) yes/no labels; floats are numbers to predict,
    (N,) or (N, outputs), or of steps, with NaN for steps without a target. `class_names` (C,) may name integer classes.
    Arrays such as x_train, y_train, x_val, x_test are the parts of the split.

    A folder holds one subfolder per class, with one .npy file, (T, F) or (T,), or one .csv file of numbers, a row a
    step, for each sequence; or the folders train, val and test with such subfolders.

    A long table is a CSV or Parquet file with a header and a row for each step.

    Values are kept in float32 or, where that would lose differences, as those of Unix times, in float64; either is
    standardised before it is cast.

    Args:
        path: An .npz file, a folder, or a long table. The split may go by arrays (N,) of the file, by a pattern over
            the files' paths below the folder, or by columns of the table that are the same in all rows of a sequence:
            `data.split.groups patient`.
        target: Of a long table, the target column, by default "target". If all rows of each sequence hold the same
            value, targets are of sequences, else of steps; an empty cell is a step without a target. Of an .npz file,
            the array of targets, if it is not called as above.
        sequence: Of a long table, the column that says which sequence a row belongs to.
        time: Of a long table, the column, of numbers or dates, that orders the rows of a sequence; default: their order
            in the file.
        features: Of a long table, the columns to use; default: all others but those that
            the split goes by.
        continuous: Of a table or an .npz file, whether the target is a number to predict, not a class; default: floats
            of an .npz file are, and numbers of a table, except up to 20 different whole ones.
        weights: The column, the same in all rows of a sequence, or the array (N,) of an .npz file, with the weight of
            each sequence in the training loss, 0 or more.
        kwargs: Arguments of `DataModule`.

    Raises:
        DataError: A file cannot be read, or does not have this form.
    """

    default_recipe = "sequences"
    named_after = "path"
    file_endings = (".npz", "/", ".csv", ".tsv", ".parquet", ".pq", ".npy")
    may_change_on_resume = ("path",)

    def __init__(
        self,
        path: str,
        target: str | None = None,
        sequence: str = "sequence",
        time: str | None = None,
        features: list[str] | None = None,
        continuous: bool | None = None,
        weights: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = Path(path)
        if self.path.suffix.lower() in TABLES and not self.path.is_dir():
            columns = self.split_options.columns()
            named = TARGET if target is None else target
            recorded = read_long_table(self.path, named, sequence, time, features, continuous, columns, weights)
        else:
            for name, value in {"time": time, "features": features}.items():
                if value is not None:
                    raise DataError(f"{name} is for a long table; {path} is not a .csv or .parquet file")
            recorded = self._read_arrays(continuous, target)
        if weights is not None:
            recorded = replace(recorded, weights=self._weights(recorded, weights))
        self._recorded = recorded
        self.class_names = recorded.class_names
        self.input_shape = recorded.input_shape

    def _read_arrays(self, continuous: bool | None, target: str | None) -> Recorded:
        if not self.path.is_dir():
            return read_npz(self.path, continuous, target)
        if continuous or target is not None:
            option = "target" if target is not None else "continuous"
            raise DataError(f"{option} is for a table or an .npz file; the folders in {self.path} are the classes")
        return read_folder(self.path)

    def _weights(self, recorded: Recorded, name: str) -> Tensor:
        import pandas as pd  # takes a third of a second to import

        if recorded.column is None:
            raise DataError(f"weights is for a long table or an .npz file; {self.path} is a folder")
        return read_weights(str(self.path), pd.DataFrame({name: recorded.column(name)}), name)

    @override
    def load(self) -> Samples:
        return self._recorded.samples()

    @override
    def origin(self) -> str:
        return str(self.path)

    @override
    def sample_files(self) -> list[str] | None:
        return self._recorded.files

    @override
    def sample_values(self, name: str) -> npt.NDArray[Any]:
        if self._recorded.files is not None:
            return values_in_paths(name, self._recorded.files, self.path)
        assert self._recorded.column is not None
        return self._recorded.column(name)

    @override
    def feature_names(self) -> list[str]:
        return self._recorded.feature_names

    @override
    def extra_facts(self) -> list[str]:
        return self._recorded.words()
