"""Metrics of a model in half precision, measured as exactly as in any other."""

from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from typing_extensions import override


class ExactMetrics(MetricCollection):
    """Metrics that keep the precision of their sums when the model is converted to another (`bf16-true`).

    torchmetrics guards against `half()` and `bfloat16()`, but not against `to(dtype)`, which Lightning calls. Sums in
    double precision differ in their last digits with the grouping of batches; the values, float32, do not.

    Args:
        metrics: Metrics by name.
    """

    def __init__(self, metrics: dict[str, Metric | MetricCollection]) -> None:
        super().__init__(metrics, compute_groups=False)

    @override
    def compute(self) -> dict[str, Tensor]:
        return {name: value.float() for name, value in super().compute().items()}

    @override
    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> torch.nn.Module:
        moved: torch.nn.Module = super()._apply(lambda values: values.to(fn(values).device), recurse)  # type: ignore[no-untyped-call]
        return moved
