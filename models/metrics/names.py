"""Metrics under the names that they are logged by, and whether higher is better."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import Tensor
from torchmetrics import Metric, MetricCollection

Mode = Literal["min", "max"]


def mode(metric: Metric | MetricCollection) -> Mode | None:
    """Return "max" if higher values of a metric are better, "min" if lower ones are, None if it does not say."""
    higher = getattr(metric, "higher_is_better", None)
    return None if higher is None else "max" if higher else "min"


def by_name(stage: str, computed: Mapping[str, Tensor], classes: Sequence[Any] | None) -> dict[str, Tensor]:
    """Return scalars by the names that they are logged by.

    Args:
        stage: train, val or test.
        computed: Metrics by name, scalars or one value per class.
        classes: Names of the classes; None numbers them.

    Returns:
        The scalars, then the values of classes without those that are NaN: of a class that no sample has, say.
    """
    values = {f"{stage}/{name}": value for name, value in computed.items() if not value.ndim}
    for name, several in computed.items():
        if several.ndim:
            of_classes = zip(range(len(several)) if classes is None else classes, several.unbind(), strict=True)
            values |= {f"{stage}/{name}/{label}": value for label, value in of_classes if not value.isnan()}
    return values
