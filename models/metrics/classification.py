"""What a classifier is measured by: torchmetrics, on clean targets."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassCalibrationError,
    MulticlassF1Score,
)
from torchmetrics.utilities import dim_zero_cat


class CrossEntropy(Metric):
    """Mean cross entropy of logits against class labels over all samples, however they were batched.

    Samples' losses are added up in double precision, where their order and grouping make no difference: a figure from
    several devices equals one device's, and one of an epoch cut in two an uncut epoch's.
    """

    higher_is_better = False
    full_state_update = False
    sums: list[Tensor]
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("sums", [], dist_reduce_fx="cat")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add a batch: logits (N, C), targets (N,)."""
        losses = F.cross_entropy(logits.float(), targets, reduction="none")
        exact = losses if losses.device.type == "mps" else losses.double()  # that device has no doubles
        self.sums.append(exact.sum().view(1))
        self.count += targets.numel()

    def compute(self) -> Tensor:
        """Return the mean, float32, on the CPU."""
        return (dim_zero_cat(self.sums).cpu().double().sum() / self.count.cpu()).float()


class ExpectedCalibrationError(MulticlassCalibrationError):
    """Expected calibration error over 15 bins of confidence (Guo et al., ICML 2017), from logits.

    torchmetrics takes values that happen to lie in [0, 1] for probabilities; logits may, so they are converted here.
    """

    higher_is_better = False

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add a batch: logits (N, C), targets (N,)."""
        super().update(logits.float().softmax(-1), targets)


def training_metrics(num_classes: int) -> MetricCollection:
    """Return loss and accuracy, which are cheap enough for every training batch."""
    return MetricCollection(
        {
            "loss": CrossEntropy(),
            "accuracy": MulticlassAccuracy(num_classes, average="micro", validate_args=False),
        },
        compute_groups=False,
    )


def evaluation_metrics(num_classes: int) -> MetricCollection:
    """Return loss, accuracy, top-5 accuracy (if there are more than five classes), macro F1 and calibration error."""
    metrics: dict[str, Metric | MetricCollection] = {
        "loss": CrossEntropy(),
        "accuracy": MulticlassAccuracy(num_classes, average="micro", validate_args=False),
        "f1_macro": MulticlassF1Score(num_classes, average="macro", validate_args=False),
        "calibration_error": ExpectedCalibrationError(num_classes, n_bins=15, validate_args=False),
    }
    if num_classes > 5:
        metrics["top5_accuracy"] = MulticlassAccuracy(num_classes, top_k=5, average="micro", validate_args=False)
    return MetricCollection(metrics, compute_groups=False)


def class_accuracy(num_classes: int) -> MulticlassAccuracy:
    """Return the accuracy of each class by itself: the share of its samples that is recognised, (C,)."""
    return MulticlassAccuracy(num_classes, average="none", validate_args=False)


def metric_states(metrics: MetricCollection) -> dict[str, dict[str, Any]]:
    """Return what each metric has accumulated so far, as tensors on the CPU: a checkpoint can hold it."""
    return {
        name: {key: _on_cpu(value) for key, value in metric.metric_state.items()} for name, metric in metrics.items()
    }


def restore_metric_states(metrics: MetricCollection, states: dict[str, dict[str, Any]]) -> None:
    """Let each metric go on from what `metric_states` returned."""
    for name, metric in metrics.items():
        for key, value in states[name].items():
            there = [item.to(metric.device) for item in value] if isinstance(value, list) else value.to(metric.device)
            setattr(metric, key, there)
        metric._update_count = 1  # torchmetrics warns of a metric that was never updated


def _on_cpu(value: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
    return [item.cpu() for item in value] if isinstance(value, list) else value.cpu()
