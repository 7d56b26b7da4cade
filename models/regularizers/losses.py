"""Losses that know how often each class occurs."""

import torch
from torch import Tensor, nn


class ClassCountLoss(nn.Module):
    """A loss that is told how often each class occurs in the training part, before training begins."""

    def set_class_counts(self, counts: Tensor) -> None:
        """Take the number of training samples of each class, (C,)."""
        raise NotImplementedError


class BalancedCrossEntropy(ClassCountLoss, nn.CrossEntropyLoss):
    """Cross entropy in which every class weighs the same: samples are weighted by N / (C · samples of their class).

    Args:
        label_smoothing: As torch's cross entropy takes it, in [0, 1].
    """

    weight: Tensor | None

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__(label_smoothing=label_smoothing)
        # Not in checkpoints: it follows from the data, and an evaluation needs none.
        self.register_buffer("weight", None, persistent=False)

    def set_class_counts(self, counts: Tensor) -> None:
        """Weight the classes; one without samples gets no weight."""
        weight = counts.sum() / (len(counts) * counts.clamp_min(1))
        self.weight = torch.where(counts > 0, weight, torch.zeros_like(weight)).float()
