"""Your own sequences: an .npz file, a folder of .npy or .csv files, one folder per class, or a long table."""

from pathlib import Path
from typing import Any

import numpy.typing as npt
from typing_extensions import override

from datamodules.errors import DataError
from datamodules.samples import Samples
from datamodules.sequences.array_files import read_array, read_folder, read_npz
from datamodules.sequences.long_table import read_long_table, values_of_sequences
from datamodules.sequences.recorded import Recorded
from datamodules.sequences.sequence_data import SequenceDataModule
from datamodules.tables.reading import PARQUET

TABLES = (".csv", ".tsv", ".txt", *PARQUET)


class SequenceFiles(SequenceDataModule):
    """Sequences of different lengths from files that hold numbers and text, not objects.

    An .npz file holds `values`, all sequences one after the other, (sum T, F) or (sum T,); `lengths`, the number of
    steps of each, (N,); and `targets`: integer labels of sequences, (N,), or of steps, (sum T,), with -100 for
    unlabelled ones; or floats of sequences, (N,) or (N, outputs), or of steps, (sum T,) or (sum T, outputs), with NaN
    for steps without a target. It may hold `class_names`, (C,); by default the greatest label decides the number of
    classes.

    A folder holds one subfolder per class, with one .npy file, (T, F) or (T,), or one .csv file of numbers, a row a
    step, for each sequence.

    A long table is a CSV or Parquet file with a header and a row for each step.

    Values are kept in float32 or, where that would lose differences, as those of Unix times, in float64; either is
    standardised before it is cast.

    Args:
        path: An .npz file, a folder, or a long table. The split may go by arrays (N,) of the file, or by columns of
            the table that are the same in all rows of a sequence: `data.split.groups patient`.
        target: Of a long table, the target column. If all rows of each sequence hold the same value, targets are of
            sequences, else of steps; an empty cell is a step without a target.
        sequence: Of a long table, the column that says which sequence a row belongs to.
        time: Of a long table, the column, of numbers or dates, that orders the rows of a sequence; default: their order
            in the file.
        features: Of a long table, the columns to use; default: all others but those that
            the split goes by.
        continuous: Of a long table, whether the target is a number to predict, not a class; default: numbers are,
            except up to 20 different whole ones.
        kwargs: Arguments of `DataModule`.

    Raises:
        DataError: A file cannot be read, or does not have this form.
    """

    default_recipe = "sequences"
    named_after = "path"
    file_endings = (".npz", ".csv", ".tsv", ".parquet", ".pq")
    may_change_on_resume = ("path",)

    def __init__(
        self,
        path: str,
        target: str = "target",
        sequence: str = "sequence",
        time: str | None = None,
        features: list[str] | None = None,
        continuous: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = Path(path)
        self.sequence = sequence
        if self.path.suffix.lower() in TABLES and not self.path.is_dir():
            self._recorded = read_long_table(
                self.path, target, sequence, time, features, continuous, self.split_options.columns()
            )
        else:
            stated = {"time": time, "features": features, "continuous": continuous}
            for name, value in stated.items():
                if value is not None:
                    raise DataError(f"{name} is for a long table; {path} is not a .csv or .parquet file")
            self._recorded = self._read_arrays()
        self.class_names = self._recorded.class_names
        self.input_shape = self._recorded.input_shape

    def _read_arrays(self) -> Recorded:
        return read_folder(self.path) if self.path.is_dir() else read_npz(self.path)

    @override
    def load(self) -> Samples:
        return self._recorded.samples()

    @override
    def origin(self) -> str:
        return str(self.path)

    @override
    def sample_values(self, name: str) -> npt.NDArray[Any]:
        if self.path.is_dir():
            return super().sample_values(name)
        if self.path.suffix.lower() in TABLES:
            return values_of_sequences(self.path, self.sequence, name)
        return read_array(self.path, name)

    @override
    def feature_names(self) -> list[str]:
        return self._recorded.feature_names

    @override
    def extra_facts(self) -> list[str]:
        lengths = self._recorded.lengths
        longest, shortest = int(lengths.max()), int(lengths.min())
        steps = f"{shortest:,} to {longest:,} steps" if longest > shortest else f"{longest:,} steps"
        kind = "a class" if self.class_names else "a number"
        return [steps, f"{kind} for each {'step' if self._recorded.of_steps else 'sequence'}"]
