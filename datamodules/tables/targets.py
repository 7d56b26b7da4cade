"""The target of a table: classes, or numbers to predict."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from datamodules.errors import DataError
from datamodules.tables.columns import MISSING, Column, read_column

if TYPE_CHECKING:
    import pandas as pd

MAX_NUMBERED_CLASSES = 20  # a column of more different whole numbers is one to predict
YES_NO = ({"1", "0"}, {"1.0", "0.0"}, {"true", "false"}, {"yes", "no"}, {"y", "n"}, {"t", "f"})  # what labels look like
YES = {"1", "1.0", "true", "yes", "y", "t"}


@dataclass(frozen=True)
class Target:
    """The target column, or columns.

    Attributes:
        names: Names of the columns.
        class_names: The classes, as the file writes them, or the labels; none if the target is a number.
        values: Class of each row, (N,), int64; or numbers, (N, outputs), float64; or whether each row has each label,
            (N, L), bool.
        notes: What a user should know.
    """

    names: list[str]
    class_names: tuple[str, ...]
    values: npt.NDArray[np.int64] | npt.NDArray[np.float64] | npt.NDArray[np.bool_]
    notes: list[str]


def read_target(
    path: str,
    frame: "pd.DataFrame",
    target: str | list[str],
    continuous: bool | None = None,
    label_separator: str | None = None,
) -> Target:
    """Read the target.

    Args:
        path: The file, for messages.
        frame: The table.
        target: The column; or several, which are labels (yes or no) or numbers.
        continuous: Whether it is a number to predict; None finds it out.
        label_separator: What separates the labels of a row, if the column holds lists of labels.

    Raises:
        DataError: A target is missing, or not a number where one is needed.
    """
    names = [target] if isinstance(target, str) else target
    if label_separator is not None:
        return _listed_labels(path, names, frame, label_separator)
    if not isinstance(target, str):
        labels = None if continuous else _labels(frame, names)
        return _numbers(path, frame, names) if labels is None else labels
    column = None if continuous is False else read_column(path, target, frame[target])
    if continuous or (continuous is None and column is not None and _is_number_to_predict(column)):
        return _numbers(path, frame, names)
    return _classes(path, target, frame[target], column)


def with_target(path: str, frame: "pd.DataFrame", names: list[str]) -> "pd.DataFrame":
    """Return the rows that have a value in every target column, with the numbers that they had; warn of the others.

    Raises:
        DataError: No row has.
    """
    empty = set(MISSING) - {"none"}  # which may be a class
    missing = np.zeros(len(frame), dtype=bool)
    for name in names:
        texts = frame[name].astype(object).astype(str).str.strip().str.lower()
        missing |= (frame[name].isna() | texts.isin(empty)).to_numpy()
    if missing.all():
        raise DataError(f"{path}: no row has a target")
    if missing.any():
        first = int(missing.argmax()) + 2
        rank_zero_warn(f"{path}: {int(missing.sum()):,} rows have no target and are left out, the first row {first}")
    return frame[~missing]


def read_weights(path: str, frame: "pd.DataFrame", name: str) -> Tensor:
    """Return the weights in a column, (N,), float32.

    Raises:
        DataError: It does not hold a number in each row.
    """
    column = read_column(path, name, frame[name])
    if column.kind != "number" or column.gaps.any():
        raise DataError(f"{path}: the weights in the column {name!r} must be numbers, one for each row")
    return torch.from_numpy(np.asarray(column.values, np.float32))


def _is_number_to_predict(column: Column) -> bool:
    if column.kind != "number":
        return False
    few = column.distinct() <= min(MAX_NUMBERED_CLASSES, len(column.values) // 2)
    return not (column.whole and few)


def _labels(frame: "pd.DataFrame", names: list[str]) -> Target | None:
    """Return columns as labels, None if one holds something else than yes and no."""
    texts = [frame[name].astype(object).astype(str).str.strip().str.lower() for name in names]
    if not all(any(set(column) <= pair for pair in YES_NO) for column in texts):
        return None
    return Target(names, tuple(names), np.stack([column.isin(YES).to_numpy(bool) for column in texts], axis=1), [])


def _listed_labels(path: str, names: list[str], frame: "pd.DataFrame", separator: str) -> Target:
    """Return the labels that the cells of one column list; an empty cell has none."""
    if len(names) > 1:
        raise DataError(f"label_separator: {', '.join(names)} are several columns; one holds the list of labels")
    cells = frame[names[0]].astype(object).where(frame[names[0]].notna(), "")
    rows = [{label.strip() for label in str(cell).split(separator)} - {""} for cell in cells]
    found = sorted(set().union(*rows))
    if not found:
        raise DataError(f"{path}: no row has a label in the column {names[0]!r}")
    return Target(names, tuple(found), np.array([[label in row for label in found] for row in rows]), [])


def _numbers(path: str, frame: "pd.DataFrame", names: list[str]) -> Target:
    columns = [read_column(path, name, frame[name]) for name in names]
    for column in columns:
        if column.gaps.any() and column.kind == "number":
            row = frame.index[int(column.gaps.argmax())] + 2
            raise DataError(f"{path}, row {row}, column {column.name!r}: the target is not a number")
        if column.kind != "number":
            first = next(value for value in column.values if value is not None)
            raise DataError(f"{path}, column {column.name!r}: {first!r} is not a number, as a continuous target is")
    return Target(names, (), np.stack([np.asarray(column.values, np.float64) for column in columns], axis=1), [])


def _classes(path: str, name: str, cells: "pd.Series", column: Column | None) -> Target:
    texts = cells.astype(object).astype(str)
    stripped = texts.str.strip()
    numbered = column is not None and column.kind == "number"
    found = sorted(stripped.unique(), key=float if numbered else str)
    if 2 * len(found) > len(stripped):
        raise DataError(
            f"{path}: {len(found)} different values among {len(stripped)} in the column {name!r} are not classes; "
            "if it is a number to predict, set data.continuous true"
        )
    if len(found) < 2:
        raise DataError(
            f"{path}: all rows have the class {found[0]!r} in the column {name!r}; there is nothing to learn"
        )
    notes = []
    if texts.nunique() > len(found):
        notes.append(f"{path}: classes in the column {name!r} that differ in spaces around them are the same class")
    places = {value: place for place, value in enumerate(found)}
    return Target([name], tuple(found), stripped.map(places).to_numpy(np.int64), notes)
