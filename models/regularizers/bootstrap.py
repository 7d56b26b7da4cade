"""Bootstrapped labels (Reed et al., "Training Deep Neural Networks on Noisy Labels with Bootstrapping", ICLR 2015)."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from models.regularizers.base import Regularizer, check_fraction

Kind = Literal["soft", "hard"]


def bootstrap_labels(targets: Tensor, logits: Tensor, share: float, kind: Kind = "soft") -> Tensor:
    """Move a share of the targets to what the network itself predicts.

    With cross entropy this is the paper's equation 6 (soft) or 7 (hard), where β is 1 − `share`. Gradients flow through
    soft predictions, as in the paper: that rewards predictions that are sure of themselves. Taken as given, they would
    leave of it no more than β times the cross entropy.

    Args:
        targets: Class probabilities, (N, C).
        logits: The network's, (N, C).
        share: In [0, 1].
        kind: "soft" takes the predicted probabilities, "hard" the predicted class.

    Returns:
        Class probabilities, (N, C).
    """
    predicted = torch.softmax(logits, -1) if kind == "soft" else F.one_hot(logits.argmax(-1), logits.shape[-1])
    return torch.lerp(targets, predicted.to(targets.dtype), share)


class BootstrapLabels(Regularizer):
    """Trains against labels mixed with the network's own predictions: wrong ones lose their hold as it learns.

    "soft" is (1 − share) times the loss plus `share` times the predictions' entropy (minimum-entropy regularization).

    Args:
        share: How much the prediction counts, in [0, 1]: 1 − β; the paper's β is 0.95 (soft) and 0.8 (hard). By default
            the paper's for the kind.
        kind: "soft" mixes in the predicted probabilities, "hard" the predicted class.

    Raises:
        ValueError: `share` is out of range.
    """

    applies_to = "classes"
    strength = "share"
    keeps_inputs = True
    softens_labels = True

    def __init__(self, share: float | None = None, kind: Kind = "soft") -> None:
        super().__init__()
        share = {"soft": 0.05, "hard": 0.2}[kind] if share is None else share
        check_fraction("BootstrapLabels", "share", share)
        self.share = share
        self.kind: Kind = kind

    def revise(self, outputs: Tensor, targets: Tensor) -> Tensor:  # noqa: D102
        return targets if self.share == 0 else bootstrap_labels(targets, outputs, self.share, self.kind)
