"""Metrics of classification."""

from typing import cast

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score
from typing_extensions import override

from models.metrics.calibration import (
    AdaptiveCalibrationError,
    AreaUnderRiskCoverage,
    BrierScore,
    ExpectedCalibrationError,
)
from models.metrics.exact_metrics import ExactMetrics
from models.metrics.mean_loss import SUM_DTYPE, MeanCrossEntropy
from models.metrics.multi_label import LabelAUROC, LabelAveragePrecision


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
    """Return the evaluation metrics, more on confidence, and the accuracy of each class, (C,).

    The loss, cross entropy, is the negative log-likelihood. The accuracy of a class is the fraction of its samples
    recognised.
    """
    metrics = evaluation_metrics(num_classes)
    metrics.add_metrics(
        {
            "brier_score": BrierScore(),
            "adaptive_calibration_error": AdaptiveCalibrationError(),
            "aurc": AreaUnderRiskCoverage(),
            "class_accuracy": ClassAccuracy(num_classes),
        }
    )
    return metrics


def _accuracy(num_classes: int, top_k: int = 1) -> MulticlassAccuracy:
    return MulticlassAccuracy(num_classes, top_k=top_k, average="micro", validate_args=False)
