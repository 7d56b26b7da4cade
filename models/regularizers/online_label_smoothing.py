"""Online label smoothing (Zhang et al., "Delving Deep into Label Smoothing", IEEE TIP 2021, arXiv 2011.12562)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.regularizers.base import Regularizer, check_fraction

UNIT = 2**20  # probabilities are counted in integers, which no trainer.precision rounds


def correct_predictions(targets: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return, by class, the summed predictions for samples that are rightly predicted as it, and their number.

    The paper's equation 6.

    Args:
        targets: Class probabilities, (N, C); the likeliest class counts.
        logits: The network's, (N, C).

    Returns:
        Sums of probabilities (C, C), a row for each class, and numbers of samples (C,); float32.
    """
    labels, classes = targets.argmax(-1), targets.shape[-1]
    correct = F.one_hot(labels, classes).float() * (logits.argmax(-1) == labels).unsqueeze(-1)
    with torch.autocast(logits.device.type, enabled=False):
        return correct.T @ torch.softmax(logits.float(), -1), correct.sum(0)


def soften_labels(targets: Tensor, soft_labels: Tensor, share: float) -> Tensor:
    """Move a share of the targets to the soft labels of their classes.

    Args:
        targets: Class probabilities, (N, C).
        soft_labels: Class probabilities, a row for each class, (C, C).
        share: In [0, 1].
    """
    with torch.autocast(targets.device.type, enabled=False):
        return torch.lerp(targets, targets @ soft_labels.to(targets.dtype), share)


class OnlineLabelSmoothing(Regularizer):
    """Softens labels the way the network itself confuses classes: what it predicted, on average, in the epoch before.

    Each class has a soft label: the mean prediction for those of its training samples that were predicted rightly in
    the epoch before; 1/C for all in the first. A class without any keeps the one that it had. Of several devices the
    first one's samples are counted.

    Args:
        share: How much the soft label counts, in [0, 1]; 1 − α, the paper's is 0.5.

    Raises:
        ValueError: `share` is out of range.
    """

    applies_to = "classes"
    strength = "share"
    keeps_inputs = True
    softens_labels = True
    sums: Tensor
    counts: Tensor
    sums_before: Tensor
    counts_before: Tensor
    epoch: Tensor

    def __init__(self, share: float = 0.5) -> None:
        super().__init__()
        check_fraction("OnlineLabelSmoothing", "share", share)
        self.share = share

    def check(self, network: nn.Module, num_classes: int, before: Sequence[Regularizer]) -> None:
        """Make room for a soft label of each class."""
        super().check(network, num_classes, before)
        for suffix in ("", "_before"):
            self.register_buffer(f"sums{suffix}", torch.zeros(num_classes, num_classes, dtype=torch.int64))
            self.register_buffer(f"counts{suffix}", torch.zeros(num_classes, dtype=torch.int64))
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))

    def soft_labels(self) -> Tensor:
        """Return the soft label of each class, (C, C), float32."""
        counts = self.counts_before.unsqueeze(-1)
        means = self.sums_before.float() / UNIT / counts.clamp_min(1)
        return torch.where(counts > 0, means, 1 / len(counts))

    def revise(self, outputs: Tensor, targets: Tensor) -> Tensor:  # noqa: D102
        sums, counts = correct_predictions(targets, outputs.detach())
        self.sums += (sums * UNIT).round().long()
        self.counts += counts.long()
        return targets if self.share == 0 else soften_labels(targets, self.soft_labels(), self.share)

    def start_epoch(self, epoch: int) -> None:
        """Take what was predicted in the epoch before for the soft labels; told of the same epoch again, do nothing."""
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
