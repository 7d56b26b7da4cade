"""Columns that do not belong to the features of a table: names and counters of rows, constants, the answer itself."""

from typing import Any

import numpy as np
import numpy.typing as npt
from lightning.pytorch.utilities import rank_zero_warn

from datamodules.tables.columns import Column

FREE_TEXT = 0.5  # fraction of different values above which texts are not categories
FREE = "has nearly as many texts as rows"
LEAST_ROWS = 20  # of a table small enough for columns to look like anything by chance


def drop_suspects(path: str, columns: list[Column]) -> list[Column]:
    """Return the columns that are features; warn of those that are not, by name.

    Args:
        path: The file, for messages.
        columns: All columns but the target.
    """
    reasons = {column.name: reason_to_leave_out(column) for column in columns}
    for name, reason in reasons.items():
        if reason is not None:
            text = f"; --data.text {name!r} trains on it" if reason == FREE else "; --data.features brings it back"
            rank_zero_warn(f"{path}: the column {name!r} {reason} and is left out{text}")
    return [column for column in columns if reasons[column.name] is None]


def warn_of_answers(path: str, columns: list[Column], targets: npt.NDArray[Any], classes: bool) -> None:
    """Warn of features that alone tell the target.

    Args:
        path: The file, for messages.
        columns: The features.
        targets: (N,), or (N, ...) of several targets.
        classes: Whether they are classes or labels, not numbers.
    """
    tells = tells_class if classes else tells_number
    for column in columns:
        if any(tells(column, answers) for answers in targets.reshape(len(targets), -1).T):
            rank_zero_warn(
                f"{path}: the column {column.name!r} alone tells the target; if it is not known before the target is, "
                "leave it out (data.features chooses the columns)"
            )


def reason_to_leave_out(column: Column) -> str | None:
    """Return why a column is no feature: it is constant, it counts or names the rows, or it is free text."""
    rows, distinct = len(column.values), column.distinct()
    if distinct == 0:
        return "is empty"
    if distinct + bool(column.gaps.any()) < 2:
        return "is constant"
    if not column.name or column.name.startswith("Unnamed:"):
        return "has no name, as an index that was written with the table"
    if rows < LEAST_ROWS:
        return None
    if column.kind == "category":
        return FREE if distinct > FREE_TEXT * rows else None
    if column.kind == "number" and column.whole and distinct == rows:
        values = np.asarray(column.values, dtype=np.float64)
        dense = values.max() - values.min() < 2 * rows
        rising = bool((np.diff(values) > 0).all() or (np.diff(values) < 0).all())
        return "counts the rows" if dense or rising else None
    return None


def tells_class(column: Column, labels: npt.NDArray[Any]) -> bool:
    """Return whether a column alone gives the class away: by its values, or by their order."""
    if len(labels) < LEAST_ROWS:
        return False
    known = ~column.gaps
    values, classes = column.values[known], labels[known]
    if len(values) < LEAST_ROWS or len(np.unique(classes)) < 2:
        return False
    pairs = set(zip(values.tolist(), classes.tolist(), strict=True))
    if column.distinct() <= FREE_TEXT * len(values) and len(pairs) == column.distinct():
        return True
    if column.kind == "category":
        return False
    ordered = classes[np.argsort(np.asarray(values, dtype=np.float64), kind="stable")]
    return int((np.diff(ordered) != 0).sum()) == len(np.unique(classes)) - 1


def tells_number(column: Column, targets: npt.NDArray[Any]) -> bool:
    """Return whether a column of numbers is the continuous target, but for its unit."""
    known = ~column.gaps & ~np.isnan(targets)
    if column.kind == "category" or known.sum() < LEAST_ROWS:
        return False
    values = np.asarray(column.values, dtype=np.float64)[known]
    if values.std() == 0 or targets[known].std() == 0:
        return False
    return bool(abs(np.corrcoef(values, targets[known])[0, 1]) > 1 - 1e-9)
