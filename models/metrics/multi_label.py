"""Metrics of several yes/no labels per sample.

The metrics keep the logits and targets of all samples, so that they are exact, and the same however batches are cut.
scikit-learn computes the curves: torchmetrics' own take logits in [0, 1] for probabilities, batch by batch, sum in
single precision, and give a label without positive samples 0.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.utilities.data import dim_zero_cat
from typing_extensions import override

from models.metrics.calibration import (
    AdaptiveCalibrationError,
    ExpectedCalibrationError,
    LabelBrierScore,
    each_label,
)
from models.metrics.exact_metrics import ExactMetrics
from models.metrics.mean_loss import SUM_DTYPE, MeanLoss
from models.thresholds import best_thresholds

Average = Literal["macro", "none"]
Decide = Callable[[Tensor], Tensor]


class MeanBinaryCrossEntropy(MeanLoss):
    """Mean binary cross entropy over samples and labels, of logits (N, L) and labels (N, L)."""

    @override
    def losses(self, predictions: Tensor, targets: Tensor) -> Tensor:
        logits = predictions.to(SUM_DTYPE)
        return F.binary_cross_entropy_with_logits(logits, targets.to(SUM_DTYPE), reduction="none")


class KeptLabels(Metric, ABC):
    """Base class of metrics of all logits and labels, (N, L) each."""

    higher_is_better: bool | None = True
    full_state_update = False
    logits: list[Tensor]
    targets: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("logits", [], dist_reduce_fx="cat")
        self.add_state("targets", [], dist_reduce_fx="cat")

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add a batch: logits (N, L), targets (N, L), bool."""
        self.logits.append(logits.float())
        self.targets.append(targets.to(torch.uint8))  # devices cannot exchange bool

    def compute(self) -> Tensor:
        """Return the metric of all samples, float32."""
        logits, targets = dim_zero_cat(self.logits), dim_zero_cat(self.targets)
        return self.measure(logits.cpu(), targets.cpu().bool()).float().to(logits.device)

    @abstractmethod
    def measure(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the metric of logits (N, L), float32, and labels (N, L), bool, both on the CPU."""


class LabelMetric(KeptLabels):
    """Base class of metrics of each label; where one is undefined for a label it is NaN, and no part of the mean.

    Args:
        average: "macro" for the mean over the labels, "none" for each label's own.
    """

    def __init__(self, average: Average = "macro") -> None:
        super().__init__()
        self.average = average

    @abstractmethod
    def of_labels(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the metric of each label, (L,), float64."""

    @override
    def measure(self, logits: Tensor, targets: Tensor) -> Tensor:
        values = self.of_labels(logits, targets)
        return values.nanmean() if self.average == "macro" else values


class LabelAUROC(LabelMetric):
    """Area under the ROC curve of each label; NaN for a label whose samples are all positive or all negative."""

    @override
    def of_labels(self, logits: Tensor, targets: Tensor) -> Tensor:
        from sklearn.metrics import roc_auc_score  # takes half a second to import

        return _each(roc_auc_score, logits, targets, targets.any(0) & ~targets.all(0))


class LabelAveragePrecision(LabelMetric):
    """Average precision of each label; NaN for a label without positive samples."""

    @override
    def of_labels(self, logits: Tensor, targets: Tensor) -> Tensor:
        from sklearn.metrics import average_precision_score

        return _each(average_precision_score, logits, targets, targets.any(0))


class LabelF1(LabelMetric):
    """F1 of each label's decisions; NaN for a label without positive samples.

    Args:
        decide: Returns decisions of probabilities, (N, L) each.
        average: As in `LabelMetric`.
    """

    def __init__(self, decide: Decide, average: Average = "macro") -> None:
        super().__init__(average)
        self.decide = decide

    @override
    def of_labels(self, logits: Tensor, targets: Tensor) -> Tensor:
        decisions = self.decide(logits.sigmoid())
        hits, claimed = (decisions & targets).sum(0).double(), decisions.sum(0) + targets.sum(0)
        return torch.where(targets.any(0), 2 * hits / claimed, torch.nan)


class LabelAccuracy(KeptLabels):
    """Fraction of right decisions over all samples and labels: 1 minus the Hamming loss.

    Args:
        decide: Returns decisions of probabilities, (N, L) each.
    """

    def __init__(self, decide: Decide) -> None:
        super().__init__()
        self.decide = decide

    @override
    def measure(self, logits: Tensor, targets: Tensor) -> Tensor:
        return (self.decide(logits.sigmoid()) == targets).double().mean()


class ExactMatch(LabelAccuracy):
    """Fraction of samples all of whose labels are decided right."""

    @override
    def measure(self, logits: Tensor, targets: Tensor) -> Tensor:
        return (self.decide(logits.sigmoid()) == targets).all(1).double().mean()


class BestThresholds(KeptLabels):
    """The threshold of each label that maximises its F1, (L,)."""

    higher_is_better = None

    @override
    def measure(self, logits: Tensor, targets: Tensor) -> Tensor:
        return best_thresholds(logits.sigmoid(), targets)


def training_metrics() -> MetricCollection:
    """Return loss and macro AUROC, which needs no threshold."""
    return ExactMetrics({"loss": MeanBinaryCrossEntropy(), "auroc": LabelAUROC()})


def evaluation_metrics(num_labels: int, decide: Decide) -> MetricCollection:
    """Return loss, macro AUROC, average precision and F1, accuracy and, of several labels, exact match.

    Args:
        num_labels: L.
        decide: Returns decisions of probabilities, (N, L) each.
    """
    metrics: dict[str, Metric | MetricCollection] = {
        "loss": MeanBinaryCrossEntropy(),
        "auroc": LabelAUROC(),
        "average_precision": LabelAveragePrecision(),
        "f1_macro": LabelF1(decide),
        "accuracy": LabelAccuracy(decide),
    }
    if num_labels > 1:
        metrics["exact_match"] = ExactMatch(decide)
    return ExactMetrics(metrics)


def test_metrics(num_labels: int, decide: Decide) -> MetricCollection:
    """Return the evaluation metrics, more on probabilities and, of several labels, the metrics of each, (L,).

    The loss, binary cross entropy, is the negative log-likelihood.
    """
    metrics = evaluation_metrics(num_labels, decide)
    added: dict[str, Metric | MetricCollection] = {
        "brier_score": LabelBrierScore(),
        "calibration_error": ExpectedCalibrationError(each_label),
        "adaptive_calibration_error": AdaptiveCalibrationError(each_label),
    }
    if num_labels > 1:
        added |= {
            "label_auroc": LabelAUROC("none"),
            "label_average_precision": LabelAveragePrecision("none"),
            "label_f1": LabelF1(decide, "none"),
        }
    metrics.add_metrics(added)  # type: ignore[arg-type]
    return metrics


def _each(score: Callable[..., float], logits: Tensor, targets: Tensor, defined: Tensor) -> Tensor:
    defined = defined & logits.isfinite().all(0)
    with warnings.catch_warnings(action="ignore"):
        scores = [
            score(targets[:, label].numpy(), logits[:, label].numpy()) if defined[label] else torch.nan
            for label in range(targets.shape[1])
        ]
    return torch.tensor(scores, dtype=torch.float64)
