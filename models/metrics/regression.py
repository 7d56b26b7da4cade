"""What a regressor is measured by: torchmetrics, in the targets' own unit, added up in double precision."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric, MetricCollection, R2Score


class HuberLoss(Metric):
    """Mean Huber loss (Huber, 1964): squared below `delta`, in the targets' unit, and linear above."""

    higher_is_better = False
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, delta: float = 1.0) -> None:
        super().__init__()
        self.delta = delta
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """Add a batch: predictions and targets (N, outputs)."""
        self.total += F.huber_loss(predictions.float(), targets, reduction="none", delta=self.delta).double().sum()
        self.count += targets.numel()

    def compute(self) -> Tensor:
        """Return the mean over samples and outputs."""
        return self.total / self.count


class CoefficientOfDetermination(R2Score):
    """R², the share of the targets' variance that is explained; no number of fewer than two samples."""

    def compute(self) -> Tensor:
        """Return R², the mean over outputs."""
        return super().compute() if self.total >= 2 else torch.tensor(torch.nan)


def training_metrics() -> MetricCollection:
    """Return mean squared and mean absolute error, which are cheap enough for every training batch."""
    return _collection({"loss": MeanSquaredError(), "mae": MeanAbsoluteError()})


def evaluation_metrics() -> MetricCollection:
    """Return mean squared error (as the loss, and its root), mean absolute error, Huber loss and R²."""
    return _collection(
        {
            "loss": MeanSquaredError(),
            "rmse": MeanSquaredError(squared=False),
            "mae": MeanAbsoluteError(),
            "huber": HuberLoss(),
            "r2": CoefficientOfDetermination(),
        }
    )


def _collection(metrics: dict[str, Metric | MetricCollection]) -> MetricCollection:
    collection = MetricCollection(metrics, compute_groups=False)
    for metric in collection.values():
        metric.set_dtype(torch.float64)  # where order and grouping of batches make no difference
    return collection
