"""How a table's columns become the inputs of a network: fitted on the training part, kept as plain values."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from datamodules.errors import DataError
from datamodules.splitting.duplicates import Digests, digest_each
from datamodules.tables.columns import Column, Kind
from datamodules.tables.forms import PLAIN_FORM, Form

if TYPE_CHECKING:
    import pandas as pd

Scaling = Literal["standard", "robust"]
MAX_VALUES = 1000  # of a category; rarer ones count as unseen
WIDE = 20  # a category of more values is embedded
MOST_NAMED = 3  # columns in a line


@dataclass(frozen=True)
class ColumnEncoding:
    """How one column is encoded.

    Attributes:
        name: Its name.
        values: A category's values in the training part, "" for a gap; each has an input that is 1 for it and 0 for
            others. All are 0 for a value that training did not see. Empty for numbers and dates.
        fill: What a number's gap is filled with, the median.
        center: What is subtracted from a number.
        scale: What a number is then divided by, above 0.
        gaps: Whether a number has a second input, 1 where it was a gap.
        kind: What its cells are.
        form: How the training file writes them, and new rows must.
    """

    name: str
    values: tuple[str, ...] = ()
    fill: float = 0.0
    center: float = 0.0
    scale: float = 1.0
    gaps: bool = False
    kind: Kind = "number"
    form: Form = PLAIN_FORM

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "ColumnEncoding":
        """Return the encoding whose plain values a manifest or a checkpoint holds."""
        return cls(**plain | {"values": tuple(plain["values"]), "form": Form(**plain["form"])})

    @property
    def width(self) -> int:
        """Number of inputs that the column becomes."""
        return len(self.values) or 1 + self.gaps

    def plain(self) -> dict[str, Any]:
        """Return the encoding as plain values, for a manifest."""
        return asdict(self) | {"values": list(self.values)}

    def codes(self, column: Column) -> npt.NDArray[np.float64]:
        """Return a column's raw values, (N,): numbers, or the places of categories in `values`; NaN for all else."""
        if not self.values:
            return np.asarray(column.values, dtype=np.float64)
        places = {value: float(place) for place, value in enumerate(self.values)}
        texts = ("" if value is None else value for value in column.values)
        return np.array([places.get(text, np.nan) for text in texts])


def fit_encoding(column: Column, train: npt.NDArray[np.int64], scaling: Scaling) -> ColumnEncoding:
    """Return how a column is encoded, from its values in the training part.

    Args:
        column: The column, N values.
        train: Indices of the training part.
        scaling: "standard" subtracts the mean and divides by the standard deviation; "robust" takes the median and the
            range between the quartiles, which outliers do not move.
    """
    from sklearn.impute import SimpleImputer  # takes half a second to import
    from sklearn.preprocessing import RobustScaler, StandardScaler

    if column.kind == "category":
        found, counts = np.unique(
            ["" if value is None else value for value in column.values[train]], return_counts=True
        )
        kept = np.sort(np.argsort(-counts, kind="stable")[:MAX_VALUES])
        names = tuple(str(value) for value in found[kept])
        return ColumnEncoding(column.name, names, kind=column.kind, form=column.form)
    values = np.asarray(column.values, dtype=np.float64)[train, None]
    gaps = bool(np.isnan(values).any())
    if np.isnan(values).all():
        return ColumnEncoding(column.name, gaps=True, kind=column.kind, form=column.form)
    imputer = SimpleImputer(strategy="median").fit(values)
    filled = imputer.transform(values)
    scaler = (StandardScaler() if scaling == "standard" else RobustScaler()).fit(filled)
    center = scaler.mean_[0] if scaling == "standard" else scaler.center_[0]
    return ColumnEncoding(
        column.name,
        fill=float(imputer.statistics_[0]),
        center=float(center),
        scale=float(scaler.scale_[0]),  # 1 for a constant column
        gaps=gaps,
        kind=column.kind,
        form=column.form,
    )


def row_digests(columns: list[Column]) -> Digests:
    """Return a digest of each row, (N,), whatever the encodings are."""
    rows = len(columns[0].values)
    numbers = [np.asarray(column.values, np.float64) for column in columns if column.kind != "category"]
    texts = [column.values for column in columns if column.kind == "category"]
    values = np.stack(numbers, axis=1) if numbers else np.empty((rows, 0))
    words = zip(*texts, strict=True) if texts else [()] * rows
    content = (row.tobytes() + repr(word).encode() for row, word in zip(values, words, strict=True))
    return digest_each(np.frombuffer(row, np.uint8) for row in content)


def encode(raw: Tensor, columns: Tensor) -> Tensor:
    """Return the inputs of a network for raw values of a table.

    Args:
        raw: (N, K), float64 or float32: numbers, NaN for gaps; categories as the places of their values, NaN for values
            that training did not see.
        columns: (K, 5), float64, from `as_tensor`.

    Returns:
        (N, F), float32.
    """
    return encode_columns(raw, columns.tolist())


def encode_columns(raw: Tensor, columns: list[list[float]]) -> Tensor:
    """Return what `encode` does, for columns as plain numbers: a graph of operations must not read them of a tensor."""
    inputs = []
    for values, (count, fill, center, scale, gaps) in zip(raw.double().unbind(1), columns, strict=True):
        gap = values.isnan()
        if count:
            inputs.append((values[:, None] == torch.arange(int(count), device=raw.device)).float())
            continue
        standardised = (torch.where(gap, fill, values) - center) / scale
        inputs.append(standardised[:, None].float())
        if gaps:
            inputs.append(gap[:, None].float())
    return torch.cat(inputs, dim=1)


def check_finite(path: str, inputs: Tensor, columns: list[ColumnEncoding], rows: "pd.Index") -> None:
    """Check encoded inputs, (N, F); `rows` numbers them for messages, from 0.

    Raises:
        DataError: One is NaN or infinite.
    """
    wrong = (~inputs.isfinite()).nonzero()
    if len(wrong):
        row, place = wrong[0].tolist()
        ends = np.cumsum([column.width for column in columns])
        name = columns[int(np.searchsorted(ends, place, side="right"))].name
        raise DataError(
            f"{path}, row {rows[row] + 2}, column {name!r}: the number is too far from those of the training part"
        )


def check_same_encodings(recorded: list[dict[str, Any]], rebuilt: list[dict[str, Any]]) -> None:
    """Check that encodings, as plain values, are those of the training, but for rounding.

    Raises:
        DataError: A column is encoded otherwise.
    """
    numbers = ("fill", "center", "scale")
    names = [[column["name"] for column in columns] for columns in (recorded, rebuilt)]
    if recorded and names[0] != names[1]:
        raise DataError(
            f"the columns were {', '.join(names[0])}, now they are {', '.join(names[1])}; set data.features"
        )
    for then, now in zip(recorded, rebuilt, strict=False):
        close = np.allclose([then[key] for key in numbers], [now[key] for key in numbers], rtol=1e-9, atol=0)
        if not close or any(then[key] != now[key] for key in now if key in then and key not in numbers):
            raise DataError(
                f"the column {then['name']!r} was encoded otherwise in training; features and data.scaling must be "
                "those of the training"
            )


def as_tensor(columns: list[ColumnEncoding]) -> Tensor:
    """Return what `encode` needs of each column, (K, 5), float64: number of values, fill, center, scale, gaps."""
    rows = [(len(c.values), c.fill, c.center, c.scale, c.gaps) for c in columns]
    return torch.tensor(rows, dtype=torch.float64)


def wide_blocks(columns: list[ColumnEncoding]) -> list[tuple[int, int]]:
    """Return (first input, number of inputs) of each category of many values."""
    starts = np.cumsum([0, *(column.width for column in columns)]).tolist()
    return [(start, c.width) for start, c in zip(starts, columns, strict=False) if len(c.values) > WIDE]


def wide_words(columns: list[Column], encodings: list[ColumnEncoding]) -> list[str]:
    """Return a line that names the categories of the most values, which texts and names are as well; else none."""
    wide = [column for column, e in zip(columns, encodings, strict=True) if len(e.values) > WIDE]
    counts = sorted(((column.distinct(), column.name) for column in wide), key=lambda pair: -pair[0])
    named = [f"{name!r} has {count:,}" for count, name in counts[:MOST_NAMED]]
    more = [f"{len(counts) - MOST_NAMED} more columns"] if len(counts) > MOST_NAMED else []
    return ["categories of many values: " + ", ".join(named + more)] if wide else []
