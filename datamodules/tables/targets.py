"""The target of a table: classes, or numbers to predict."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from datamodules.errors import DataError
from datamodules.samples import UNLABELLED
from datamodules.tables.classes import Target, missing_classes, read_classes
from datamodules.tables.columns import YES_NO, Column, holds_lists, read_column, read_numbers, texts_and_gaps

if TYPE_CHECKING:
    import pandas as pd

MAX_NUMBERED_CLASSES = 20  # a column of more different whole numbers is one to predict
YES = {"1", "1.0", "true", "yes", "y", "t"}


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
    lists = [name for name in names if holds_lists(frame[name]).any()]
    if label_separator is not None or lists:
        return _listed_labels(path, names, frame, label_separator)
    if not isinstance(target, str):
        labels = None if continuous else _labels(frame, names)
        if labels is None and continuous is False:
            raise DataError(
                f"target: {', '.join(names)} are several columns that do not hold yes and no, or 1 and 0; only one "
                "column may hold classes (data.continuous false)"
            )
        return _several_numbers(path, frame, names) if labels is None else labels
    return _without_gaps(path, read_target_column(path, frame[target], continuous), frame.index)


def read_target_column(
    path: str,
    cells: "pd.Series",
    continuous: bool | None = None,
    samples: npt.NDArray[Any] | None = None,
) -> Target:
    """Read one target column, of a table, of texts or of sequences, in which a target may be missing.

    Args:
        path: The file, for messages.
        cells: N cells, named after the column and numbered from 0.
        continuous: Whether they are numbers to predict; None finds it out.
        samples: What tells the sample that each row belongs to, (N,), if a sample has several rows. A target that all
            rows of each sample share counts once a sample.

    Returns:
        The target: `UNLABELLED` or NaN stands for a missing one.

    Raises:
        DataError: A target is not a number where one is needed, or targets are not classes.
    """
    once = _once(cells, samples)
    if continuous is None:
        continuous = _is_number_to_predict(read_column(path, str(once.name), once))
    if continuous:
        name = str(cells.name)
        return Target([name], (), read_numbers(path, name, cells, missing=True)[:, None], [])
    return read_classes(path, cells, len(once[~missing_classes(once)]))


def _once(cells: "pd.Series", samples: npt.NDArray[Any] | None) -> "pd.Series":
    """Return one cell a sample if all rows of each sample hold the same, else all cells."""
    if samples is None:
        return cells
    of_samples = texts_and_gaps(cells)[0].groupby(samples, sort=False)
    return cells if (of_samples.nunique() > 1).any() else cells[~of_samples.cumcount().astype(bool)]


def with_target(path: str, frame: "pd.DataFrame", names: list[str]) -> "pd.DataFrame":
    """Return the rows that have a value in every target column, with the numbers that they had; warn of the others.

    Raises:
        DataError: Fewer than three rows have, of which no three parts can be made.
    """
    missing = np.zeros(len(frame), dtype=bool)
    for name in names:
        missing |= missing_classes(frame[name]).to_numpy()
    if missing.all():
        raise DataError(f"{path}: no row has a target")
    rows = int((~missing).sum())
    if rows < 3:
        raise DataError(f"{path} has {rows} row(s) with a target; a training, a validation and a test part need three")
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
    if column.kind not in ("number", "time"):
        return False
    few = column.distinct() <= min(MAX_NUMBERED_CLASSES, int((~column.gaps).sum()) // 2)
    return not (column.whole and few)


def _labels(frame: "pd.DataFrame", names: list[str]) -> Target | None:
    """Return columns as labels, None if one holds something else than yes and no."""
    texts = [frame[name].astype(object).astype(str).str.strip().str.lower() for name in names]
    if not all(any(set(column) <= pair for pair in YES_NO) for column in texts):
        return None
    return Target(names, tuple(names), np.stack([column.isin(YES).to_numpy(bool) for column in texts], axis=1), [])


def _listed_labels(path: str, names: list[str], frame: "pd.DataFrame", separator: str | None) -> Target:
    """Return the labels that the cells of one column list, by a separator or as lists; an empty cell has none."""
    if len(names) > 1:
        raise DataError(f"target: {', '.join(names)} are several columns; one holds the list of labels")
    cells = frame[names[0]].astype(object)
    lists = holds_lists(cells)
    if any(isinstance(cell, dict) for cell in cells):
        raise DataError(f"{path}: the cells of the column {names[0]!r} hold names with values; labels are a list")
    rows = [_labels_of(cell, separator, listed) for cell, listed in zip(cells, lists, strict=True)]
    found = sorted(set().union(*rows))
    if not found:
        raise DataError(f"{path}: no row has a label in the column {names[0]!r}")
    values = np.array([[label in row for label in found] for row in rows], dtype=np.bool_)
    return Target(names, tuple(found), values, [])


def _labels_of(cell: Any, separator: str | None, listed: bool) -> set[str]:
    if listed:
        labels = [str(label).strip() for label in cell if label is not None]
    elif cell is None or cell != cell:
        return set()
    else:
        labels = [label.strip() for label in (str(cell).split(separator) if separator else [str(cell)])]
    return set(labels) - {""}


def _several_numbers(path: str, frame: "pd.DataFrame", names: list[str]) -> Target:
    columns = [read_numbers(path, name, frame[name], missing=True) for name in names]
    return _without_gaps(path, Target(names, (), np.stack(columns, axis=1), []), frame.index)


def _without_gaps(path: str, target: Target, rows: "pd.Index") -> Target:
    """Return a target of which no row may be missing."""
    missing = np.argwhere(target.values == UNLABELLED if target.class_names else np.isnan(target.values))
    if len(missing):
        row, *place = missing[0].tolist()
        name = target.names[place[0] if place else 0]
        raise DataError(f"{path}, row {rows[row] + 2}, column {name!r}: the target is not a number")
    return target
