"""Your own table: a CSV or Parquet file with a row per sample."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from typing_extensions import override

from datamodules.base import DataModule
from datamodules.errors import DataError
from datamodules.new_inputs import NewBatch, TrainedOn
from datamodules.normalization import Normalization
from datamodules.samples import Samples
from datamodules.splitting.duplicates import Digests, digest_each
from datamodules.splitting.manifest import Manifest
from datamodules.splitting.subsets import Indices
from datamodules.tables.classes import Target
from datamodules.tables.column_names import check_named, check_roles
from datamodules.tables.columns import cleaned, read_column
from datamodules.tables.encoding import (
    ColumnEncoding,
    Scaling,
    as_tensor,
    check_finite,
    check_same_encodings,
    encode,
    fit_encoding,
    row_digests,
    wide_blocks,
    wide_words,
)
from datamodules.tables.file_kinds import REFUSED_ENDINGS
from datamodules.tables.new_rows import encode_rows, read_new_rows
from datamodules.tables.reading import read_table
from datamodules.tables.strata import binned
from datamodules.tables.suspects import drop_suspects, warn_of_answers
from datamodules.tables.targets import read_target, read_weights, with_target

if TYPE_CHECKING:
    import pandas as pd


class Tabular(DataModule):
    """A table of your own, CSV or Parquet: one row per sample, one column with the target, the others are features.

    Numbers and dates are standardised with statistics of the training part, their gaps filled with its median and
    marked by an input of their own. Texts and booleans are categories, one input for each value in the training part.

    Args:
        path: The file; see `datamodules.tables.reading` for what it may look like.
        target: Name of the target column; or of several, which are labels (a row may have several) if they hold yes and
            no, 1 and 0 or true and false, else numbers. A column of lists, in a Parquet file, holds labels.
        continuous: Whether the target is a number to predict; by default a column of texts, or of up to 20 different
            whole numbers, holds classes.
        features: Names of the columns to use; by default all but the target, those that the split goes by, and those
            that are constant, or count or name the rows.
        label_separator: What separates labels in the target column, "|" of "rock|live", if a row may have several.
        weights: Name of the column with the weight of each sample in the training loss, 0 or more.
        scaling: "standard" uses mean and standard deviation; "robust" the median and the range between the quartiles,
            which outliers do not move.
        stratify_bins: Number of quantile bins of each continuous target to stratify the split by; None for a plain
            random split.
        kwargs: Arguments of `DataModule`.

    Attributes:
        frame: The table as the file holds it.
        encodings: How each feature is encoded, after `setup`.

    Raises:
        DataError: The file cannot be read, a column does not exist, or a value is missing or not a number.
    """

    maximum = 1.0
    default_recipe = "tables"
    named_after = "path"
    file_endings = (".csv", ".tsv", ".parquet", ".pq", ".txt", ".data", *REFUSED_ENDINGS)
    may_change_on_resume = ("path",)

    def __init__(
        self,
        path: str,
        target: str | list[str],
        continuous: bool | None = None,
        features: list[str] | None = None,
        label_separator: str | None = None,
        weights: str | None = None,
        scaling: Scaling = "standard",
        stratify_bins: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if self.stated_normalization is not None:
            raise DataError("mean and std: the columns of a table are standardised one by one; choose data.scaling")
        self.path = path
        self.frame, notes = read_table(Path(path))
        named = [target] if isinstance(target, str) else target
        check_named(path, [*named, *([weights] if weights else []), *(features or [])], list(self.frame.columns))
        check_roles(named, weights, features)
        if label_separator is None:
            self.frame = with_target(path, self.frame, named)
        self.target: Target = read_target(path, self.frame, target, continuous, label_separator)
        self.given_weights = None if weights is None else read_weights(path, self.frame, weights)
        if stratify_bins is not None and self.target.class_names:
            raise DataError("stratify_bins is for continuous targets only; classes are stratified without it")
        self.class_names = self.target.class_names
        self.scaling = scaling
        self.stratify_bins = stratify_bins
        others = {*named, weights, *self.split_options.columns()}
        used = [name for name in self.frame.columns if name not in others] if features is None else features
        self.columns = [read_column(path, name, self.frame[name]) for name in used]
        if features is None:
            self.columns = drop_suspects(path, self.columns)
        if not self.columns:
            raise DataError(f"{path} has no column beside the target {', '.join(named)!r} that could be a feature")
        for note in [*notes, *self.target.notes]:
            rank_zero_warn(note)
        warn_of_answers(path, self.columns, self.target.values, classes=bool(self.class_names))
        self.encodings: list[ColumnEncoding] = []
        self._encoded: Tensor

    @override
    def load(self) -> Samples:
        """Return the targets, and inputs that `measure` replaces: what a category is, the split decides."""
        inputs = torch.zeros(len(self.frame), len(self.columns))
        return Samples(inputs, torch.from_numpy(self.target.values.copy()), weights=self.given_weights)

    @override
    def sample_values(self, name: str) -> npt.NDArray[Any]:
        check_named(self.path, [name], list(self.frame.columns))
        return cleaned(self.frame[name])

    @override
    def digests(self) -> Digests:
        return row_digests(self.columns)

    @override
    def content_digests(self) -> Digests:
        # Of all columns: which are features, and which the split goes by, does not change the data.
        rows = zip(*(cleaned(self.frame[name]) for name in self.frame.columns), strict=True)
        return digest_each(np.frombuffer(repr(row).encode(), np.uint8) for row in rows)

    @override
    def measure(self, indices: Tensor) -> Normalization:
        """Decide how each column is encoded, and encode the table; nothing is left to normalise."""
        self.encodings = [fit_encoding(column, indices.numpy(), self.scaling) for column in self.columns]
        raw = np.stack([e.codes(column) for e, column in zip(self.encodings, self.columns, strict=True)], axis=1)
        inputs = torch.from_numpy(raw)
        self.samples = replace(self.samples, inputs=inputs)
        self._encoded = encode(inputs, as_tensor(self.encodings))
        check_finite(self.path, self._encoded, self.encodings, self.frame.index)
        return Normalization([0.0], [1.0])

    @override
    def setup(self, stage: str | None = None) -> None:
        if self.split is None:
            super().setup(stage)
            self.manifest |= {"columns": [encoding.plain() for encoding in self.encodings]}

    @override
    def check_same_split(self, recorded: Manifest) -> None:
        super().check_same_split(recorded)
        check_same_encodings(recorded.get("columns", []), self.manifest["columns"])

    @override
    def origins(self) -> dict[str, list[Any]]:
        return {"row": (self.frame.index + 2).tolist()}

    @override
    def batch_inputs(self) -> Tensor:
        return self._encoded

    @property
    def input_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """Number of inputs that the columns become; it depends on the values in the training part."""
        self.ensure_setup()
        return (sum(encoding.width for encoding in self.encodings),)

    @override
    def feature_names(self) -> list[str]:
        return [column.name for column in self.columns]

    @override
    def target_names(self) -> list[str]:
        return [] if self.class_names else self.target.names

    @property
    @override
    def category_blocks(self) -> list[tuple[int, int]]:
        self.ensure_setup()
        return wide_blocks(self.encodings)

    @property
    @override
    def preprocessing(self) -> dict[str, Any]:
        """As that of any dataset; `columns` encodes raw rows, (K, 5), and nothing is left to normalise."""
        self.ensure_setup()
        return super().preprocessing | {"mean": None, "std": None, "columns": as_tensor(self.encodings).tolist()}

    @classmethod
    @override
    def new_inputs(cls, path: Path, trained: TrainedOn) -> Iterator[NewBatch]:
        """Yield the rows of a CSV or Parquet file, or of each in a folder; a target column is not used."""
        target = trained.arguments["target"]
        return read_new_rows(path, trained, [target] if isinstance(target, str) else target)

    def encode(self, frame: "pd.DataFrame") -> Tensor:
        """Return the raw inputs of new rows, (N, K), float64, which a trained model takes.

        Args:
            frame: A table with this one's feature columns: texts in the form of this one's file, as
                `datamodules.tables.reading.read_table` reads them, or typed values.

        Raises:
            DataError: A column is missing, or a cell is not what its column holds, or is written in another form.
        """
        self.ensure_setup()
        return encode_rows(frame, self.encodings)

    @override
    def strata(self, targets: npt.NDArray[Any]) -> Indices | None:
        if self.stratify_bins is not None:
            return binned(targets, self.stratify_bins)
        return super().strata(targets)

    @override
    def extra_facts(self) -> list[str]:
        left = len(self.frame.columns) - len(self.columns) - len(self.target.names)
        counts = Counter(column.kind for column in self.columns)
        kinds = " and ".join(f"{count} {kind} column{'s' * (count > 1)}" for kind, count in sorted(counts.items()))
        inputs = self.input_shape[0]
        facts = [f"{kinds} as {inputs} input{'s' * (inputs > 1)}"]
        facts += [f"{left} left out"] if left else []
        unseen = self._unseen()
        facts += wide_words(self.columns, self.encodings)
        cells = "1 cell holds a value" if unseen == 1 else f"{unseen} cells hold values"
        return [*facts, f"{cells} that training did not see"] if unseen else facts

    def _unseen(self) -> int:
        """Return the number of cells, outside the training part, of categories that are not in it."""
        assert isinstance(self.samples.inputs, Tensor)
        categories = [place for place, encoding in enumerate(self.encodings) if encoding.values]
        return int(self.samples.inputs[:, categories].isnan().sum())
