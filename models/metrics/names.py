"""Metrics under the names that they are logged by, and whether higher is better."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import lightning as L
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from datamodules.printable import printable
from models.errors import TrainingError

Mode = Literal["min", "max"]


def mode(metric: Metric | MetricCollection) -> Mode | None:
    """Return "max" if higher values of a metric are better, "min" if lower ones are, None if it does not say."""
    higher = getattr(metric, "higher_is_better", None)
    return None if higher is None else "max" if higher else "min"


def by_name(stage: str, computed: Mapping[str, Tensor], classes: Sequence[Any] | None) -> dict[str, Tensor]:
    """Return scalars by the names that they are logged by, without those that are NaN: undefined for these samples.

    Args:
        stage: train, val or test.
        computed: Metrics by name, scalars or one value per class.
        classes: Names of the classes; without any, None or empty, they are numbered.
    """
    values = {f"{stage}/{name}": value for name, value in computed.items() if not value.ndim}
    for name, several in computed.items():
        if several.ndim:
            of_classes = zip(classes or range(len(several)), several.unbind(), strict=True)
            values |= {f"{stage}/{name}/{printable(str(label))}": value for label, value in of_classes}
    return {name: value for name, value in values.items() if not value.isnan()}


def check_monitored(stage: str, computed: Mapping[str, Tensor], trainer: L.Trainer) -> None:
    """Check that what callbacks and schedules watch is one number, and defined, except in the check before training.

    Args:
        stage: train, val or test.
        computed: Metrics by name; NaN where one is undefined for these samples.
        trainer: The trainer, whose callbacks and schedules may have a `monitor`.

    Raises:
        TrainingError: One watches a metric that is undefined, or has several values.
    """
    watching = [*trainer.callbacks, *trainer.lr_scheduler_configs]  # type: ignore[attr-defined]
    watched = {getattr(one, "monitor", None) for one in watching}
    for name, value in computed.items():
        above = f"{stage}/{name.rpartition('/')[0]}"
        several = f"{stage}/{name}" if value.ndim else above
        if several in watched:
            raise TrainingError(f"{several} has several values; monitor a metric that is one number")
    if trainer.sanity_checking:
        return
    for name, value in computed.items():
        if not value.ndim and bool(value.isnan()) and f"{stage}/{name}" in watched:
            raise TrainingError(
                f"{stage}/{name} is undefined for the samples of this part (of one class alone, perhaps): monitor "
                f"{stage}/loss, or choose another split"
            )
