"""Mean losses over all samples, summed in double precision."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric
from typing_extensions import override

# In double precision the order and the grouping of batches make no difference: a metric from several devices equals the
# one from a single device, and an interrupted epoch's equals an uninterrupted one's. Apple's GPUs have single alone.
SUM_DTYPE = torch.float32 if torch.backends.mps.is_available() else torch.float64


class MeanLoss(Metric, ABC):
    """Mean of a loss over all samples, however they were batched."""

    higher_is_better: bool | None = False
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0, dtype=SUM_DTYPE), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    @abstractmethod
    def losses(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each sample, or of each output of each sample; predictions are in double precision."""

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """Add a batch."""
        losses = self.losses(predictions.to(SUM_DTYPE), targets)
        self.total += losses.sum(dtype=SUM_DTYPE)
        self.count += losses.numel()

    def compute(self) -> Tensor:
        """Return the mean."""
        return self.total / self.count


class MeanCrossEntropy(MeanLoss):
    """Mean cross entropy of logits (N, C) and class labels (N,)."""

    @override
    def losses(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(predictions, targets, reduction="none")


class MeanHuber(MeanLoss):
    """Mean Huber loss (Huber, 1964) of predictions and targets, (N, outputs) each.

    Args:
        delta: Error, in the unit of the targets, below which the loss is squared and above which it is linear.
    """

    def __init__(self, delta: float = 1.0) -> None:
        super().__init__()
        self.delta = delta

    @override
    def losses(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return F.huber_loss(predictions, targets.to(SUM_DTYPE), reduction="none", delta=self.delta)
