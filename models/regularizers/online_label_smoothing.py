"""Online label smoothing (Zhang et al., "Delving Deep into Label Smoothing", IEEE TIP 2021, arXiv 2011.12562)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.regularizers.base import Regularizer


def correct_predictions(targets: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return, by class, the sum of the predicted probabilities of samples that are predicted as it, and their number.

    The paper's equation 6.

    Args:
        targets: Class probabilities, (N, C); the likeliest class counts.
        logits: The network's, (N, C).

    Returns:
        Sums (C, C), a row for each class, and numbers (C,); float32.
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
        return torch.lerp(targets, targets @ soft_labels, share)


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
    moves_mass = True
    soft_labels: Tensor | None
    sums: Tensor
    counts: Tensor
    epoch: Tensor

    def __init__(self, share: float = 0.5) -> None:
        super().__init__()
        if not 0 <= share <= 1:
            raise ValueError(f"OnlineLabelSmoothing: share {share} is not in [0, 1]")
        self.share = share
        self.register_buffer("soft_labels", None)

    def check(self, network: nn.Module, num_classes: int, before: Sequence[Regularizer]) -> None:
        """Make room for a soft label of each class: a checkpoint finds it there."""
        super().check(network, num_classes, before)
        self._begin(num_classes, torch.device("cpu"))

    def _begin(self, classes: int, device: torch.device) -> Tensor:
        soft_labels = torch.full((classes, classes), 1 / classes, device=device)
        self.register_buffer("soft_labels", soft_labels)
        self.register_buffer("sums", torch.zeros(classes, classes, device=device))
        self.register_buffer("counts", torch.zeros(classes, device=device))
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))
        return soft_labels

    def revise(self, outputs: Tensor, targets: Tensor) -> Tensor:  # noqa: D102
        soft_labels = self.soft_labels
        if soft_labels is None:
            soft_labels = self._begin(targets.shape[-1], targets.device)
        sums, counts = correct_predictions(targets, outputs)
        self.sums += sums
        self.counts += counts
        return targets if self.share == 0 else soften_labels(targets, soft_labels, self.share)

    def start_epoch(self, epoch: int) -> None:
        """Take what was predicted in the epoch before for the soft labels; told of the same epoch again, do nothing."""
        if self.soft_labels is None or epoch == self.epoch:
            return
        self.epoch.fill_(epoch)
        means = self.sums / self.counts.unsqueeze(-1)
        self.soft_labels.copy_(torch.where(self.counts.unsqueeze(-1) > 0, means, self.soft_labels))
        self.sums.zero_()
        self.counts.zero_()
