"""Tables: a CSV file of one's own, and four that scikit-learn embeds."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from sklearn import datasets

from datamodules.errors import DataError
from datamodules.in_memory import InMemoryDataModule
from datamodules.samples import Samples
from datamodules.splitting.splits import quantile_bins
from datamodules.splitting.subsets import Indices

MISSING = ("", "na", "n/a", "nan", "null", "none", "?")


class Tabular(InMemoryDataModule):
    """A CSV file with a header: one row a sample, one column the target, the others numbers.

    Features are standardised by the training part. Missing values are refused: what to put in their place is a
    decision that belongs into the file.

    Args:
        path: The file, in UTF-8.
        target: Name of the target column.
        continuous: The target is a number to predict, not a class.
        features: Names of the columns to use; by default all but the target.
        stratify_bins: Number of quantile bins of a continuous target that the split is stratified by; None for a
            plain random split.
        kwargs: Arguments of `InMemoryDataModule`.

    Raises:
        DataError: The file cannot be read, a column is not there, or a value is missing or no number.
    """

    maximum = 1.0

    def __init__(
        self,
        path: str,
        target: str,
        continuous: bool = False,
        features: list[str] | None = None,
        stratify_bins: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if stratify_bins is not None and not continuous:
            raise DataError("stratify_bins: classes are stratified by themselves; leave it out")
        self.stratify_bins = stratify_bins
        header, rows = _read(Path(path))
        for name in (target, *(features or [])):
            if name not in header:
                raise DataError(f"{path} has no column {name!r}; there are {', '.join(header)}")
        used = [name for name in header if name != target] if features is None else features
        if target in used:
            raise DataError(f"features: {target!r} is the target; the network would be told the answer")
        if len(set(used)) < len(used):
            raise DataError(f"features: {', '.join(used)}: name each column once")
        if not used:
            raise DataError(f"{path} has no column beside the target {target!r}")
        columns = dict(zip(header, zip(*rows, strict=True), strict=True))
        inputs = np.stack([_numbers(path, name, columns[name]) for name in used], axis=1)
        if continuous:
            self.class_names = ()
            targets = torch.from_numpy(_numbers(path, target, columns[target])).float().view(-1, 1)
        else:
            _refuse_missing(path, target, columns[target])
            names, labels = np.unique(columns[target], return_inverse=True)
            if 2 * len(names) > len(labels):
                raise DataError(
                    f"{path}: {len(names)} different values among {len(labels)} in the column {target!r} make no "
                    f"classes; if it is a number to predict, set data.continuous true (and use models.Regressor)"
                )
            self.class_names = tuple(str(name) for name in names)
            targets = torch.from_numpy(labels).long()
        self.table = Samples(torch.from_numpy(inputs).float(), targets)
        self.input_shape = (len(used),)

    def load(self) -> Samples:
        """Return the table, which was read when this was made: it says how many classes there are."""
        return self.table

    def strata(self, targets: npt.NDArray[Any]) -> Indices | None:  # noqa: D102
        if self.stratify_bins is not None:
            return quantile_bins(targets[:, 0], self.stratify_bins)
        return super().strata(targets)


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError as error:
        raise DataError(f"{path} is not there; name a CSV file by data.path") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a CSV file ({error})") from error
    while rows and not rows[-1]:  # blank lines at the end
        rows.pop()
    if len(rows) < 2:
        raise DataError(f"{path} holds no rows below a header")
    header = [name.strip() for name in rows[0]]
    doubled = next((name for name in header if header.count(name) > 1), None)
    if doubled is not None:
        raise DataError(f"{path} has two columns {doubled!r}")
    if len(header) == 1 and ";" in header[0]:
        raise DataError(f"{path} separates its columns by semicolons; they must be commas")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise DataError(f"{path}, row {number}: {len(row)} values, but {len(header)} columns")
    return header, [[value.strip() for value in row] for row in rows[1:]]


def _refuse_missing(path: str, name: str, values: tuple[str, ...]) -> None:
    for number, value in enumerate(values, start=2):
        if value.lower() in MISSING:
            raise DataError(f"{path}, row {number}, column {name!r}: the value is missing ({value!r}); fill it in")


def _numbers(path: str, name: str, values: tuple[str, ...]) -> npt.NDArray[np.float64]:
    _refuse_missing(path, name, values)
    for number, value in enumerate(values, start=2):
        try:
            finite = bool(abs(float(value)) <= np.finfo(np.float32).max)
        except ValueError:
            finite = False
        if not finite:
            raise DataError(
                f"{path}, row {number}, column {name!r}: {value!r} is no number; data.features names the columns to use"
            )
    return np.array([float(value) for value in values])


class EmbeddedTable(InMemoryDataModule):
    """A table that scikit-learn embeds; a subclass names its loader."""

    maximum = 1.0
    read: ClassVar[Callable[..., Any]]

    def load(self) -> Samples:  # noqa: D102
        inputs, targets = type(self).read(return_X_y=True)
        labels = torch.from_numpy(targets)
        return Samples(torch.from_numpy(inputs).float(), labels.long() if self.class_names else labels.float()[:, None])


class BreastCancer(EmbeddedTable):
    """Wisconsin diagnostic breast cancer (Street et al., 1993): 569 tumours, 30 measures, two classes."""

    class_names = ("malignant", "benign")
    input_shape = (30,)
    read = datasets.load_breast_cancer


class Iris(EmbeddedTable):
    """Fisher's iris (1936): 150 flowers, 4 measures, three species."""

    class_names = ("setosa", "versicolor", "virginica")
    input_shape = (4,)
    read = datasets.load_iris


class Wine(EmbeddedTable):
    """Wines by chemical analysis (Aeberhard and Forina, 1991): 178 wines, 13 measures, three cultivars."""

    class_names = ("class_0", "class_1", "class_2")
    input_shape = (13,)
    read = datasets.load_wine


class Diabetes(EmbeddedTable):
    """Progression of diabetes a year on (Efron et al., 2004): 442 patients, 10 measures, a continuous target."""

    class_names = ()
    input_shape = (10,)
    read = datasets.load_diabetes
