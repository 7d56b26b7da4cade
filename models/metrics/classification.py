"""Metrics of classification."""

from typing import cast

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score
from typing_extensions import override

from models.metrics.exact_metrics import ExactMetrics
from models.metrics.mean_loss import SUM_DTYPE, MeanCrossEntropy
from models.metrics.multi_label import LabelAUROC, LabelAveragePrecision


class ExpectedCalibrationError(Metric):
    """Expected calibration error of logits (Guo et al., ICML 2017): 15 bins of confidence, each without its lower end.

    The gap between confidence and accuracy in each bin, weighted by the bin's share of the samples. torchmetrics counts
    confidences of exactly 1 in a sixteenth bin.

    Args:
        bins: Number of bins.
    """

    higher_is_better = False
    full_state_update = False
    counts: Tensor
    confidences: Tensor
    correct: Tensor

    def __init__(self, bins: int = 15) -> None:
        super().__init__()
        self.bins = bins
        for name in ("counts", "confidences", "correct"):
            self.add_state(name, torch.zeros(bins, dtype=SUM_DTYPE), dist_reduce_fx="sum")

    @override
    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add a batch: logits (N, C), targets (N,)."""
        confidences, predicted = logits.to(SUM_DTYPE).softmax(-1).max(-1)
        edges = torch.arange(1, self.bins, dtype=SUM_DTYPE, device=logits.device) / self.bins
        bins = torch.bucketize(confidences, edges)
        self.counts.index_add_(0, bins, torch.ones_like(confidences))
        self.confidences.index_add_(0, bins, confidences)
        self.correct.index_add_(0, bins, (predicted == targets).to(SUM_DTYPE))

    @override
    def compute(self) -> Tensor:
        """Return the error, in [0, 1]."""
        return (self.correct - self.confidences).abs().sum() / self.counts.sum()


class ClassAccuracy(MulticlassAccuracy):
    """The accuracy of each class, (C,): the fraction of its samples recognised; NaN for a class without samples.

    Args:
        num_classes: Number of classes, C.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, average="none", validate_args=False)

    @override
    def compute(self) -> Tensor:
        recognised, missed = cast("Tensor", self.tp), cast("Tensor", self.fn)
        return super().compute().where(recognised + missed > 0, torch.nan)


class BinaryAUROC(LabelAUROC):
    """Area under the ROC curve of two classes, the second of which is positive; NaN if one of them has no samples."""

    @override
    def update(self, logits: Tensor, targets: Tensor) -> None:
        super().update(*_as_one_label(logits, targets))


class BinaryAveragePrecision(LabelAveragePrecision):
    """Average precision of two classes, the second of which is positive; NaN if it has no samples."""

    @override
    def update(self, logits: Tensor, targets: Tensor) -> None:
        super().update(*_as_one_label(logits, targets))


def _as_one_label(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits (N, 2) and labels (N,) as the logits (N, 1) of one yes/no label, and the label (N, 1), bool."""
    logits = logits.to(SUM_DTYPE)
    return logits[:, 1:] - logits[:, :1], (targets == 1).unsqueeze(1)


def training_metrics(num_classes: int) -> MetricCollection:
    """Return loss and accuracy, which cost little enough to measure on every training batch."""
    return ExactMetrics({"loss": MeanCrossEntropy(), "accuracy": _accuracy(num_classes)})


def evaluation_metrics(num_classes: int) -> MetricCollection:
    """Return loss, accuracy, macro F1 and calibration error.

    With more than five classes top-5 accuracy is added; with two, AUROC and average precision of the second class.
    """
    metrics: dict[str, Metric | MetricCollection] = {
        "loss": MeanCrossEntropy(),
        "accuracy": _accuracy(num_classes),
        "f1_macro": MulticlassF1Score(num_classes, average="macro", validate_args=False),
        "calibration_error": ExpectedCalibrationError(),
    }
    if num_classes == 2:
        metrics |= {"auroc": BinaryAUROC(), "average_precision": BinaryAveragePrecision()}
    if num_classes > 5:
        metrics["top5_accuracy"] = _accuracy(num_classes, top_k=5)
    return ExactMetrics(metrics)


def test_metrics(num_classes: int) -> MetricCollection:
    """Return the evaluation metrics and the accuracy of each class, (C,): the fraction of its samples recognised."""
    metrics = evaluation_metrics(num_classes)
    metrics.add_metrics({"class_accuracy": ClassAccuracy(num_classes)})
    return metrics


def _accuracy(num_classes: int, top_k: int = 1) -> MulticlassAccuracy:
    return MulticlassAccuracy(num_classes, top_k=top_k, average="micro", validate_args=False)
