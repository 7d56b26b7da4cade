"""Label smoothing (Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, section 7)."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from models.regularizers.base import Regularizer

Share = Literal["all", "others"]


def smooth_labels(targets: Tensor, epsilon: float, share: Share = "all") -> Tensor:
    """Move a share of the probability from what the targets say to all classes.

    Args:
        targets: Class probabilities, (N, C).
        epsilon: The probability that is moved, in [0, 1].
        share: "all" gives ε/C to each of the C classes (torch's own form: the true class keeps 1 − ε + ε/C);
            "others" gives ε/(C − 1) to each class but the true one, which keeps 1 − ε.

    Returns:
        Class probabilities, (N, C). Targets that are mixtures are smoothed class by class, linearly.
    """
    classes = targets.shape[-1]
    if share == "all":
        return targets * (1 - epsilon) + epsilon / classes
    return targets * (1 - epsilon) + (1 - targets) * (epsilon / (classes - 1))


class LabelSmoothing(Regularizer):
    """Trains against softened labels, so that no logit is worth driving to infinity.

    Args:
        epsilon: Probability taken from the label, in [0, 1).
        share: Who gets it: "all" classes (ε/C each, torch's form) or the "others" (ε/(C − 1) each).

    Raises:
        ValueError: `epsilon` is out of range.
    """

    applies_to = "classes"
    strength = "epsilon"
    keeps_inputs = True
    softens_labels = True

    def __init__(self, epsilon: float = 0.1, share: Share = "all") -> None:
        super().__init__()
        if not 0 <= epsilon < 1:
            raise ValueError(f"LabelSmoothing: epsilon {epsilon} is not in [0, 1)")
        self.epsilon = epsilon
        self.share: Share = share

    def check(self, network: nn.Module, num_classes: int, before: Sequence[Regularizer]) -> None:  # noqa: D102
        super().check(network, num_classes, before)
        if self.share == "others" and num_classes == 1:
            raise ValueError("LabelSmoothing: there is one class, and no others to share with")

    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        if self.epsilon == 0:
            return inputs, targets
        return inputs, smooth_labels(targets, self.epsilon, self.share)
