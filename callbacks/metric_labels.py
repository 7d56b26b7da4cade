"""Labels of axes: metrics in words, targets by the names of their columns."""

import re
from typing import Any

from callbacks.figures import label


def metric_label(name: str, task: Any, data: Any = None) -> str:
    """Return a metric's name as an axis shows it, with the target's unit if its name ends in one, as "height (m)" does.

    An abbreviation is spelt out as the metric's class does: mae is the MeanAbsoluteError.

    Args:
        name: The metric, without its part.
        task: The task that measures it.
        data: Its datamodule.
    """
    if name == "loss":
        return str(getattr(task, "loss_name", name))
    metrics = getattr(task, "val_metrics", None)
    words = re.findall("[A-Z][a-z]+", type(metrics[name]).__name__) if metrics is not None and name in metrics else []
    if name != "".join(word[0] for word in words).lower():
        return name.replace("_", " ")
    names = _target_names(data)
    unit = re.search(r"\([^()]{1,20}\)$", names[0]) if len(names) == 1 else None
    spelt = " ".join(words).lower()
    return f"{spelt} {unit[0]}" if unit else spelt


def target_labels(data: Any, count: int) -> list[str]:
    """Return labels of a datamodule's continuous targets, `count` of them."""
    names = _target_names(data)
    if len(names) != count:
        names = ["target"] if count == 1 else [f"target {number}" for number in range(1, count + 1)]
    return [label(name, 40) for name in names]


def _target_names(data: Any) -> list[str]:
    return list(data.target_names()) if hasattr(data, "target_names") else []
