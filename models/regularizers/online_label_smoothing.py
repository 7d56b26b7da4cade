"""Online label smoothing (Zhang et al., "Delving Deep into Label Smoothing", IEEE TIP 2021, arXiv 2011.12562)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from datamodules.checks import check_fraction
from models.regularizers.base import Regularizer

UNIT = 2**20  # probabilities are summed as integers, which trainer.precision cannot round


def correct_predictions(targets: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return, for each class, the sum of the predictions of its correctly classified samples, and their number.

    The paper's equation 6.

    Args:
        targets: Class probabilities, (N, C); the most likely class is the label.
        logits: The network's logits, (N, C).

    Returns:
        Sums of probabilities (C, C), one row per class, and numbers of samples (C,); float32.
    """
    labels, classes = targets.argmax(-1), targets.shape[-1]
    correct = F.one_hot(labels, classes).float() * (logits.argmax(-1) == labels).unsqueeze(-1)
    with torch.autocast(logits.device.type, enabled=False):
        return correct.T @ torch.softmax(logits.float(), -1), correct.sum(0)


def soften_labels(targets: Tensor, soft_labels: Tensor, soft_weight: float) -> Tensor:
    """Mix targets with the soft labels of their classes.

    Args:
        targets: Class probabilities, (N, C).
        soft_labels: Class probabilities, one row per class, (C, C).
        soft_weight: Weight of the soft labels, in [0, 1].
    """
    with torch.autocast(targets.device.type, enabled=False):
        return torch.lerp(targets, targets @ soft_labels.to(targets.dtype), soft_weight)


class OnlineLabelSmoothing(Regularizer):
    """Softens labels the way the network itself confuses classes, by its mean predictions in the previous epoch.

    The soft label of a class is the mean prediction for its training samples that were classified correctly in the
    previous epoch; 1/C for all classes in the first epoch. A class without any keeps its soft label. With
    several devices, rank 0's samples count.

    Args:
        soft_weight: Weight of the soft label, 1 − α, in [0, 1]; the paper's is 0.5.

    Raises:
        ValueError: `soft_weight` is out of range.
    """

    applies_to = ("classes",)
    strength = "soft_weight"
    keeps_inputs = True
    softens_labels = True
    sums: Tensor
    counts: Tensor
    sums_before: Tensor
    counts_before: Tensor
    epoch: Tensor

    def __init__(self, soft_weight: float = 0.5) -> None:
        super().__init__()
        check_fraction("OnlineLabelSmoothing", soft_weight=soft_weight)
        self.soft_weight = soft_weight

    @override
    def setup(self, network: nn.Module, num_classes: int, before: Sequence[Regularizer]) -> None:
        super().setup(network, num_classes, before)
        for suffix in ("", "_before"):
            self.register_buffer(f"sums{suffix}", torch.zeros(num_classes, num_classes, dtype=torch.int64))
            self.register_buffer(f"counts{suffix}", torch.zeros(num_classes, dtype=torch.int64))
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))

    def soft_labels(self) -> Tensor:
        """Return the soft label of each class, (C, C), float32."""
        counts = self.counts_before.unsqueeze(-1)
        means = self.sums_before.float() / UNIT / counts.clamp_min(1)
        return torch.where(counts > 0, means, 1 / len(counts))

    @override
    def revise(self, outputs: Tensor, targets: Tensor) -> Tensor:
        sums, counts = correct_predictions(targets, outputs.detach())
        self.sums += (sums * UNIT).round().long()
        self.counts += counts.long()
        return targets if self.soft_weight == 0 else soften_labels(targets, self.soft_labels(), self.soft_weight)

    def start_epoch(self, epoch: int) -> None:
        """Turn the previous epoch's predictions into soft labels; a repeated call for the same epoch does nothing."""
        if epoch == self.epoch:
            return
        if epoch < self.epoch:  # another run
            for counted in (self.sums, self.counts, self.sums_before, self.counts_before):
                counted.zero_()
        self.epoch.fill_(epoch)
        seen = self.counts > 0
        self.sums_before.copy_(torch.where(seen.unsqueeze(-1), self.sums, self.sums_before))
        self.counts_before.copy_(torch.where(seen, self.counts, self.counts_before))
        self.sums.zero_()
        self.counts.zero_()
