"""Metrics of regression, in the unit of the targets."""

import torch
from torch import Tensor
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric, MetricCollection, R2Score

from models.metrics.exact_metrics import ExactMetrics
from models.metrics.mean_loss import SUM_DTYPE, MeanHuber


class CoefficientOfDetermination(R2Score):
    """R², the fraction of the variance of the targets that is explained; NaN for fewer than two samples."""

    def compute(self) -> Tensor:
        """Return R², the mean over outputs."""
        return super().compute() if self.total >= 2 else torch.tensor(torch.nan)


def training_metrics() -> MetricCollection:
    """Return mean squared and mean absolute error, which cost little enough to measure on every training batch."""
    return _collection({"loss": MeanSquaredError(), "mae": MeanAbsoluteError()})


def evaluation_metrics() -> MetricCollection:
    """Return mean squared error (as the loss, and its root), mean absolute error, Huber loss and R²."""
    return _collection(
        {
            "loss": MeanSquaredError(),
            "rmse": MeanSquaredError(squared=False),
            "mae": MeanAbsoluteError(),
            "huber": MeanHuber(),
            "r2": CoefficientOfDetermination(),
        }
    )


def _collection(metrics: dict[str, Metric | MetricCollection]) -> MetricCollection:
    collection = ExactMetrics(metrics)
    for metric in collection.values():
        metric.set_dtype(SUM_DTYPE)
    return collection
