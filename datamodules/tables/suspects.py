"""Columns that do not belong to the features of a table: names and counters of rows, constants, the answer itself."""

import numpy as np
import numpy.typing as npt

from datamodules.tables.columns import Column

FREE_TEXT = 0.5  # fraction of different values above which texts are not categories
LEAST_ROWS = 20  # of a table small enough for columns to look like anything by chance


def reason_to_leave_out(column: Column) -> str | None:
    """Return why a column is no feature: it is constant, it counts or names the rows, or it is free text."""
    rows, distinct = len(column.values), column.distinct()
    if distinct + bool(column.gaps.any()) < 2:
        return "is constant"
    if not column.name or column.name.startswith("Unnamed:"):
        return "has no name, as an index that was written with the table"
    if rows < LEAST_ROWS:
        return None
    if column.kind == "category":
        return "has nearly as many texts as rows" if distinct > FREE_TEXT * rows else None
    if column.kind == "number" and column.whole and distinct == rows:
        values = np.asarray(column.values, dtype=np.float64)
        dense = values.max() - values.min() < 2 * rows
        rising = bool((np.diff(values) > 0).all() or (np.diff(values) < 0).all())
        return "counts the rows" if dense or rising else None
    return None


def tells_class(column: Column, labels: npt.NDArray[np.number]) -> bool:
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


def tells_number(column: Column, targets: npt.NDArray[np.number]) -> bool:
    """Return whether a column of numbers is the continuous target, but for its unit."""
    known = ~column.gaps & ~np.isnan(targets)
    if column.kind == "category" or known.sum() < LEAST_ROWS:
        return False
    values = np.asarray(column.values, dtype=np.float64)[known]
    if values.std() == 0 or targets[known].std() == 0:
        return False
    return bool(abs(np.corrcoef(values, targets[known])[0, 1]) > 1 - 1e-9)
