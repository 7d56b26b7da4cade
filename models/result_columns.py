"""Results of a task as the columns of a table, for people and for files: names and numbers, not yet text."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

ORDINALS = {2: "2nd", 3: "3rd"}
Columns = dict[str, list[Any]]


def class_columns(probabilities: Tensor, names: Sequence[str], most: int | None = None) -> Columns:
    """Return the most probable class, its probability, and those of the others.

    Args:
        probabilities: (N, C).
        names: Names of the C classes.
        most: The others are the next most probable, up to this many classes in all; None gives each class a column.
    """
    best, labels = probabilities.max(-1)
    columns: Columns = {"prediction": [names[label] for label in labels.tolist()], "probability": best.tolist()}
    if most is None:
        return columns | {f"probability_{name}": probabilities[:, label].tolist() for label, name in enumerate(names)}
    values, order = probabilities.topk(min(most, len(names)), dim=-1)
    for place in range(1, order.shape[-1]):
        nth = ORDINALS.get(place + 1, f"{place + 1}th")  # a class may be called 2
        columns[nth] = [names[label] for label in order[:, place].tolist()]
        columns[f"probability_{nth}"] = values[:, place].tolist()
    return columns


def label_columns(probabilities: Tensor, decisions: Tensor, names: Sequence[str]) -> Columns:
    """Return the decision on each label, 0 or 1, and its probability.

    Args:
        probabilities: (N, L).
        decisions: (N, L), bool or 0 and 1.
        names: Names of the L labels.
    """
    columns: Columns = {}
    for label, name in enumerate(names):
        columns[f"prediction_{name}"] = decisions[:, label].int().tolist()
        columns[f"probability_{name}"] = probabilities[:, label].tolist()
    return columns


def value_columns(values: Tensor, names: Sequence[str]) -> Columns:
    """Return the predicted numbers.

    Args:
        values: (N, outputs).
        names: Names of the targets; several without names are numbered.
    """
    if values.shape[1] == 1:
        return {"prediction": values[:, 0].tolist()}
    named = names if len(names) == values.shape[1] else range(values.shape[1])
    return {f"prediction_{name}": values[:, place].tolist() for place, name in enumerate(named)}
