"""Tables: your own CSV file, and four that scikit-learn ships."""

import csv
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from typing_extensions import override

from datamodules.base import DataModule
from datamodules.errors import DataError
from datamodules.samples import Samples
from datamodules.splitting.splits import quantile_bins
from datamodules.splitting.subsets import Indices

MISSING = ("", "na", "n/a", "nan", "null", "none", "?")


class Tabular(DataModule):
    """A CSV file with a header: one row per sample, one column with the target, the others with numbers.

    Features are standardised with statistics of the training part. Missing values are refused: fill them in the file.

    Args:
        path: The file, in UTF-8.
        target: Name of the target column.
        continuous: The target is a number to predict, not a class.
        features: Names of the columns to use; default: all but the target.
        stratify_bins: Number of quantile bins of a continuous target to stratify the split by; None for a plain random
            split.
        kwargs: Arguments of `DataModule`.

    Raises:
        DataError: The file cannot be read, a column does not exist, or a value is missing or not a number.
    """

    maximum = 1.0

    may_change_on_resume = ("path",)

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
            raise DataError("stratify_bins is for continuous targets only; classes are stratified without it")
        self.stratify_bins = stratify_bins
        header, rows = _read(Path(path))
        for name in (target, *(features or [])):
            if name not in header:
                raise DataError(f"{path} has no column {name!r}; there are {', '.join(header)}")
        used = [name for name in header if name != target] if features is None else features
        if target in used:
            raise DataError(f"features: {target!r} is the target and cannot be a feature")
        if len(set(used)) < len(used):
            raise DataError(f"features: {', '.join(used)}: name each column once")
        if not used:
            raise DataError(f"{path} has no column beside the target {target!r}")
        columns = dict(zip(header, zip(*rows, strict=True), strict=True))
        inputs = np.stack([_numbers(path, name, columns[name]) for name in used], axis=1)
        if continuous:
            self.class_names = ()
            targets = torch.from_numpy(_numbers(path, target, columns[target])).view(-1, 1)
        else:
            _check_missing(path, target, columns[target])
            names, labels = np.unique(columns[target], return_inverse=True)
            if 2 * len(names) > len(labels):
                raise DataError(
                    f"{path}: {len(names)} different values among {len(labels)} in the column {target!r} are not "
                    f"classes; if it is a number to predict, set data.continuous true (and use models.Regressor)"
                )
            self.class_names = tuple(str(name) for name in names)
            targets = torch.from_numpy(labels).long()
        self.table = Samples(torch.from_numpy(inputs).float(), targets)
        self.input_shape = (len(used),)

    def load(self) -> Samples:
        """Return the table; the constructor has read it, because it decides the number of classes."""
        return self.table

    @override
    def strata(self, targets: npt.NDArray[Any]) -> Indices | None:
        if self.stratify_bins is not None:
            return quantile_bins(targets[:, 0], self.stratify_bins)
        return super().strata(targets)


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; set data.path to a CSV file") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a CSV file ({error})") from error
    while rows and not rows[-1]:  # blank lines at the end
        rows.pop()
    if len(rows) < 2:
        raise DataError(f"{path} has no rows below a header")
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


def _check_missing(path: str, name: str, values: tuple[str, ...]) -> None:
    for number, value in enumerate(values, start=2):
        if value.lower() in MISSING:
            raise DataError(f"{path}, row {number}, column {name!r}: the value is missing ({value!r}); fill it in")


def _numbers(path: str, name: str, values: tuple[str, ...]) -> npt.NDArray[np.float64]:
    _check_missing(path, name, values)
    for number, value in enumerate(values, start=2):
        try:
            finite = bool(abs(float(value)) <= np.finfo(np.float32).max)
        except ValueError:
            finite = False
        if not finite:
            raise DataError(
                f"{path}, row {number}, column {name!r}: {value!r} is not a number; data.features chooses the columns"
            )
    return np.array([float(value) for value in values])


class EmbeddedTable(DataModule):
    """A table that scikit-learn ships; a subclass names the function that loads it."""

    maximum = 1.0
    loader_name: ClassVar[str]

    @override
    def load(self) -> Samples:
        from sklearn import datasets  # takes half a second to import

        inputs, targets = getattr(datasets, self.loader_name)(return_X_y=True)
        labels = torch.from_numpy(targets)
        labels = labels.long() if self.class_names else labels.double()[:, None]
        return Samples(torch.from_numpy(inputs).float(), labels)


class BreastCancer(EmbeddedTable):
    """Wisconsin diagnostic breast cancer (Street et al., 1993): 569 tumours, 30 measures, two classes."""

    class_names = ("malignant", "benign")
    input_shape = (30,)
    loader_name = "load_breast_cancer"


class Iris(EmbeddedTable):
    """Fisher's iris (1936): 150 flowers, 4 measures, three species."""

    class_names = ("setosa", "versicolor", "virginica")
    input_shape = (4,)
    loader_name = "load_iris"


class Wine(EmbeddedTable):
    """Wines by chemical analysis (Aeberhard and Forina, 1991): 178 wines, 13 measures, three cultivars."""

    class_names = ("class_0", "class_1", "class_2")
    input_shape = (13,)
    loader_name = "load_wine"


class Diabetes(EmbeddedTable):
    """Progression of diabetes a year on (Efron et al., 2004): 442 patients, 10 measures, a continuous target."""

    class_names = ()
    input_shape = (10,)
    loader_name = "load_diabetes"
