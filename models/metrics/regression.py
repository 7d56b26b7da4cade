"""Metrics of regression, in the unit of the targets."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric, MetricCollection
from typing_extensions import override

from models.metrics.exact_metrics import ExactMetrics
from models.metrics.mean_loss import SUM_DTYPE, MeanHuber


class CoefficientOfDetermination(Metric):
    """R², the fraction of the variance of the targets that is explained; NaN for fewer than two samples.

    For several outputs it is the mean over them. A constant target has no variance: its R² is 1 if every prediction is
    right, else 0, as in scikit-learn.

    Σt² − (Σt)²/n cancels where the mean is large, so that the squared deviations of each batch are added up about its
    own mean and merged exactly (Chan, Golub & LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing
    Sample Variances", 1979).

    Args:
        outputs: Number of targets per sample.
    """

    higher_is_better = True
    full_state_update = False
    count: Tensor
    mean: Tensor
    deviations: Tensor
    residuals: Tensor

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.add_state("count", torch.zeros(1, dtype=SUM_DTYPE), dist_reduce_fx=None)
        for name in ("mean", "deviations", "residuals"):
            self.add_state(name, torch.zeros(outputs, dtype=SUM_DTYPE), dist_reduce_fx=None)

    @override
    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """Add a batch: predictions and targets, (N, outputs) each."""
        if not len(targets):
            return
        values = targets.to(SUM_DTYPE).reshape(len(targets), -1)
        mean = values.mean(0)
        batch = (values - mean).square().sum(0)
        count = torch.full_like(self.count, len(values))
        self.count, self.mean, self.deviations = merge_deviations(
            torch.stack([self.count, count]),
            torch.stack([self.mean, mean]),
            torch.stack([self.deviations, batch]),
        )
        self.residuals = self.residuals + (predictions.to(SUM_DTYPE).view_as(values) - values).square().sum(0)

    @override
    def compute(self) -> Tensor:
        """Return R², the mean over outputs."""
        # After a synchronisation each state has a row for every process.
        count, mean, deviations = merge_deviations(
            self.count.view(-1, 1),
            *(state.view(len(self.count), -1) for state in (self.mean, self.deviations)),
        )
        residuals = self.residuals.view(len(self.count), -1).sum(0)
        if count < 2:
            return torch.full((), torch.nan, dtype=SUM_DTYPE, device=mean.device)
        rounding = count * (4 * torch.finfo(SUM_DTYPE).eps * mean).square()
        constant = torch.where(residuals > rounding, 0.0, 1.0).to(SUM_DTYPE)
        return torch.where(deviations > rounding, 1 - residuals / deviations, constant).mean()


def merge_deviations(counts: Tensor, means: Tensor, deviations: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return count, mean and sum of squared deviations from it of several groups together.

    Args:
        counts: Number of values in each group, (groups, 1).
        means: Mean of each group, (groups, outputs).
        deviations: Sum of squared deviations from the group's own mean, (groups, outputs).

    Returns:
        (1,), (outputs,) and (outputs,).
    """
    count = counts.sum(0)
    first = means[counts.argmax()]  # differences from it are small where the means are large
    mean = first + (counts * (means - first)).sum(0) / count.clamp_min(1)
    return count, mean, (deviations + counts * (means - mean).square()).sum(0)


class RegressionMetrics(ExactMetrics):
    """Metrics of predictions and targets, (N, outputs) each, computed and summed in double precision.

    Args:
        metrics: Metrics by name.
    """

    @override
    def add_metrics(self, *args: Any, **kwargs: Any) -> None:
        super().add_metrics(*args, **kwargs)
        for metric in self.modules():
            if isinstance(metric, Metric):  # one that is wrapped by another too
                metric.set_dtype(SUM_DTYPE)

    @override
    def update(self, predictions: Tensor, targets: Tensor) -> None:  # type: ignore[override]
        super().update(predictions.to(SUM_DTYPE), targets.to(SUM_DTYPE))


def training_metrics() -> MetricCollection:
    """Return mean squared and mean absolute error, which cost little enough to measure on every training batch."""
    return RegressionMetrics({"loss": MeanSquaredError(), "mae": MeanAbsoluteError()})


def evaluation_metrics(outputs: int = 1) -> MetricCollection:
    """Return mean squared error (as the loss, and its root), mean absolute error, Huber loss and R².

    Args:
        outputs: Number of targets per sample.
    """
    return RegressionMetrics(
        {
            "loss": MeanSquaredError(),
            "rmse": MeanSquaredError(squared=False),
            "mae": MeanAbsoluteError(),
            "huber": MeanHuber(),
            "r2": CoefficientOfDetermination(outputs),
        }
    )
