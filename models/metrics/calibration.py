"""Metrics of confidence: whether probabilities can be taken at their word, and whether mistakes are the unsure ones."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat
from typing_extensions import override

from datamodules.samples import TargetKind
from models.metrics.mean_loss import SUM_DTYPE, MeanLoss

BINS = 15
DECIMALS = 12  # probabilities that differ by less are the same, but for the order in which a device adds up
Judge = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # logits and targets to probabilities and what came true


def top_class(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the probability of each sample's predicted class, (N,), and whether that is the true one, bool.

    Args:
        logits: (N, C).
        targets: Labels, (N,).
    """
    confidences, predicted = logits.to(SUM_DTYPE).softmax(-1).max(-1)
    return confidences, predicted == targets


def each_label(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the probability of every yes/no label of every sample, (N · L,), and the labels, bool.

    Args:
        logits: (N, L).
        targets: (N, L), bool.
    """
    return logits.to(SUM_DTYPE).sigmoid().flatten(), targets.flatten()


JUDGES: dict[TargetKind, Judge] = {"classes": top_class, "labels": each_label}


def reliability_bins(confidences: Tensor, correct: Tensor, bins: int = BINS) -> Tensor:
    """Return of each bin the samples, the sum of their probabilities and how many came true, (3, bins).

    The bins have equal width, each without its lower end. torchmetrics counts probabilities of exactly 1 in a bin of
    their own.

    Args:
        confidences: Probabilities, (N,).
        correct: What came true, (N,), bool.
        bins: Number of bins.
    """
    edges = torch.arange(1, bins, dtype=SUM_DTYPE, device=confidences.device) / bins
    values = torch.stack([torch.ones_like(confidences), confidences, correct.to(SUM_DTYPE)])
    found = torch.zeros(3, bins, dtype=SUM_DTYPE, device=confidences.device)
    return found.index_add_(1, torch.bucketize(confidences, edges), values)


class ReliabilityBins(Metric):
    """What a reliability diagram shows, as `reliability_bins` returns it.

    Args:
        judge: Returns probabilities and what came true, of logits and targets.
    """

    higher_is_better: bool | None = None
    full_state_update = False
    binned: Tensor

    def __init__(self, judge: Judge = top_class) -> None:
        super().__init__()
        self.judge = judge
        self.add_state("binned", torch.zeros(3, BINS, dtype=SUM_DTYPE), dist_reduce_fx="sum")

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add a batch."""
        self.binned = self.binned + reliability_bins(*self.judge(logits, targets))

    def compute(self) -> Tensor:
        """Return the bins, (3, bins)."""
        return self.binned


def expected_gap(bins: Tensor) -> Tensor:
    """Return the expected calibration error, in [0, 1], of what `reliability_bins` returns."""
    counts, confidences, correct = bins.unbind()
    return (correct - confidences).abs().sum() / counts.sum()


class ExpectedCalibrationError(ReliabilityBins):
    """Expected calibration error (Guo et al., ICML 2017), of 15 bins of equal width.

    The gap between confidence and accuracy in each bin, weighted by the bin's share of the samples.
    """

    higher_is_better = False

    @override
    def compute(self) -> Tensor:
        """Return the error, in [0, 1]."""
        return expected_gap(super().compute())


class RankedConfidence(Metric, ABC):
    """Base class of metrics that rank all samples by their confidence.

    Of samples with the same confidence each counts as their mean, so that the order of samples makes no difference.

    Args:
        judge: As in `ReliabilityBins`.
    """

    higher_is_better = False
    full_state_update = False
    confidences: list[Tensor]
    correct: list[Tensor]

    def __init__(self, judge: Judge = top_class) -> None:
        super().__init__()
        self.judge = judge
        self.add_state("confidences", [], dist_reduce_fx="cat")
        self.add_state("correct", [], dist_reduce_fx="cat")

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add a batch."""
        confidences, correct = self.judge(logits, targets)
        self.confidences.append(confidences)
        self.correct.append(correct.to(torch.uint8))  # devices cannot exchange bool

    def compute(self) -> Tensor:
        """Return the metric of all samples."""
        confidences, order = dim_zero_cat(self.confidences).round(decimals=DECIMALS).sort(descending=True)
        correct = dim_zero_cat(self.correct)[order].to(SUM_DTYPE)
        found = confidences.unique_consecutive(return_inverse=True, return_counts=True)  # type: ignore[no-untyped-call]
        group, counts = found[1:]
        sums = torch.zeros_like(counts, dtype=SUM_DTYPE).index_add_(0, group, correct)
        return self.measure(confidences, (sums / counts)[group])

    @abstractmethod
    def measure(self, confidences: Tensor, correct: Tensor) -> Tensor:
        """Return the metric of confidences, (N,), in descending order, and how far each came true, (N,), in [0, 1]."""


class AdaptiveCalibrationError(RankedConfidence):
    """Calibration error of bins with equally many samples (Nguyen & O'Connor, EMNLP 2015), 15 of them.

    Bins of equal width leave nearly all samples of an accurate network in the last one.
    """

    @override
    def measure(self, confidences: Tensor, correct: Tensor) -> Tensor:
        gaps = [part.sum().abs() for part in (correct - confidences).tensor_split(BINS)]
        return torch.stack(gaps).sum() / len(confidences)


class AreaUnderRiskCoverage(RankedConfidence):
    """Area under the risk–coverage curve (Geifman & El-Yaniv, NeurIPS 2017), in [0, 1].

    The mean, over k, of the error rate among the k most confident samples: what remains wrong if the unsure are left to
    a person. It is 0 if nothing is wrong, and the error rate if confidence says nothing.
    """

    @override
    def measure(self, confidences: Tensor, correct: Tensor) -> Tensor:
        ranks = torch.arange(1, len(correct) + 1, dtype=SUM_DTYPE, device=correct.device)
        return ((1 - correct).cumsum(0) / ranks).mean()


class BrierScore(MeanLoss):
    """Brier score (Brier, 1950) of logits (N, C) and labels (N,), in [0, 2].

    The squared error of the class probabilities, summed over the classes, and its mean over the samples.
    """

    @override
    def losses(self, predictions: Tensor, targets: Tensor) -> Tensor:
        true = F.one_hot(targets, predictions.shape[-1])
        return (predictions.softmax(-1) - true).square().sum(-1)


class LabelBrierScore(MeanLoss):
    """Brier score of logits and yes/no labels, (N, L) each: the mean squared error of the probabilities, in [0, 1]."""

    @override
    def losses(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return (predictions.sigmoid() - targets.to(SUM_DTYPE)).square()
