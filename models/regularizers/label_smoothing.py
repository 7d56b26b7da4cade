"""Label smoothing (Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, section 7)."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from typing_extensions import override

from datamodules.checks import check_fraction
from models.regularizers.base import Regularizer

SpreadOver = Literal["all", "others"]


def smooth_labels(
    targets: Tensor, epsilon: float, spread_over: SpreadOver = "all", classes: int | None = None
) -> Tensor:
    """Take probability from the targets and spread it over the classes.

    Args:
        targets: Class probabilities, (N, C).
        epsilon: The probability taken, in [0, 1].
        spread_over: "all" gives ε/C to each of the C classes (torch's own form: the true class keeps 1 − ε + ε/C);
            "others" gives ε/(C − 1) to each class but the true one, which keeps 1 − ε.
        classes: C; 2 where each target is the probability of one of several yes/no labels; by default the targets' own.

    Returns:
        Class probabilities, (N, C). Soft targets are smoothed class by class, linearly.
    """
    classes = targets.shape[-1] if classes is None else classes
    if spread_over == "all":
        return targets * (1 - epsilon) + epsilon / classes
    return targets * (1 - epsilon) + (1 - targets) * (epsilon / (classes - 1))


class LabelSmoothing(Regularizer):
    """Trains on softened labels, so that no logit needs to grow to infinity.

    Of several labels per sample, each is one of two classes, yes and no: it moves towards 1/2.

    Args:
        epsilon: Probability taken from the label, in [0, 1).
        spread_over: Classes that get it: "all" (ε/C each, torch's form) or the "others" (ε/(C − 1) each).

    Raises:
        ValueError: `epsilon` is out of range.
    """

    applies_to = ("classes", "labels")
    strength = "epsilon"
    keeps_inputs = True
    softens_labels = True

    def __init__(self, epsilon: float = 0.1, spread_over: SpreadOver = "all") -> None:
        super().__init__()
        check_fraction("LabelSmoothing", below_one=True, epsilon=epsilon)
        self.epsilon = epsilon
        self.spread_over: SpreadOver = spread_over

    @override
    def setup(self, network: nn.Module, num_classes: int, before: Sequence[Regularizer]) -> None:
        super().setup(network, num_classes, before)
        if self.spread_over == "others" and num_classes == 1 and self.target_kind == "classes":
            raise ValueError("LabelSmoothing: there is one class, and no others to spread probability over")

    @override
    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if self.epsilon == 0:
            return inputs, targets
        classes = 2 if self.target_kind == "labels" else None
        return inputs, smooth_labels(targets, self.epsilon, self.spread_over, classes)
