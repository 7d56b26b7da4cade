"""Metrics of classification."""

from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassCalibrationError, MulticlassF1Score

from models.metrics.exact_metrics import ExactMetrics
from models.metrics.mean_loss import MeanCrossEntropy


class ExpectedCalibrationError(MulticlassCalibrationError):
    """Expected calibration error over 15 bins of confidence (Guo et al., ICML 2017), from logits.

    torchmetrics takes values in [0, 1] for probabilities; logits may all lie there, so they are converted here.
    """

    higher_is_better = False

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add a batch: logits (N, C), targets (N,)."""
        super().update(logits.float().softmax(-1), targets)


def training_metrics(num_classes: int) -> MetricCollection:
    """Return loss and accuracy, which cost little enough to measure on every training batch."""
    return ExactMetrics({"loss": MeanCrossEntropy(), "accuracy": _accuracy(num_classes)})


def evaluation_metrics(num_classes: int) -> MetricCollection:
    """Return loss, accuracy, top-5 accuracy (with more than five classes), macro F1 and calibration error."""
    metrics: dict[str, Metric | MetricCollection] = {
        "loss": MeanCrossEntropy(),
        "accuracy": _accuracy(num_classes),
        "f1_macro": MulticlassF1Score(num_classes, average="macro", validate_args=False),
        "calibration_error": ExpectedCalibrationError(num_classes, n_bins=15, validate_args=False),
    }
    if num_classes > 5:
        metrics["top5_accuracy"] = _accuracy(num_classes, top_k=5)
    return ExactMetrics(metrics)


def test_metrics(num_classes: int) -> MetricCollection:
    """Return the evaluation metrics and the accuracy of each class, (C,): the fraction of its samples recognised."""
    metrics = evaluation_metrics(num_classes)
    metrics.add_metrics({"class_accuracy": MulticlassAccuracy(num_classes, average="none", validate_args=False)})
    return metrics


def _accuracy(num_classes: int, top_k: int = 1) -> MulticlassAccuracy:
    return MulticlassAccuracy(num_classes, top_k=top_k, average="micro", validate_args=False)
