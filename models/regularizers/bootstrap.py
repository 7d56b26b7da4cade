"""Bootstrapped labels (Reed et al., "Training Deep Neural Networks on Noisy Labels with Bootstrapping", ICLR 2015)."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from datamodules.checks import check_fraction
from models.regularizers.base import Regularizer

PredictionKind = Literal["soft", "hard"]
PAPERS_WEIGHTS = {"soft": 0.05, "hard": 0.2}  # 1 − β


def bootstrap_labels(
    targets: Tensor, logits: Tensor, prediction_weight: float, kind: PredictionKind = "soft"
) -> Tensor:
    """Mix targets with the network's own predictions.

    With cross entropy this is the paper's equation 6 (soft) or 7 (hard), with β = 1 − `prediction_weight`. Gradients
    flow through soft predictions, as in the paper, which rewards confident predictions. Without that gradient, β times
    the cross entropy would be left.

    Args:
        targets: Class probabilities, (N, C).
        logits: The network's logits, (N, C).
        prediction_weight: Weight of the prediction, in [0, 1].
        kind: "soft" takes the predicted probabilities, "hard" the predicted class.

    Returns:
        Class probabilities, (N, C).
    """
    predicted = torch.softmax(logits, -1) if kind == "soft" else F.one_hot(logits.argmax(-1), logits.shape[-1])
    return torch.lerp(targets, predicted.to(targets.dtype), prediction_weight)


class BootstrapLabels(Regularizer):
    """Trains on labels mixed with the network's own predictions: wrong labels lose influence as it learns.

    "soft" is (1 − w) times the loss plus w times the predictions' entropy (minimum-entropy regularization), with w the
    `prediction_weight`.

    Args:
        prediction_weight: Weight of the prediction, 1 − β, in [0, 1]; by default the paper's for the kind: 0.05 (soft)
            or 0.2 (hard).
        kind: "soft" mixes in the predicted probabilities, "hard" the predicted class.

    Raises:
        ValueError: `prediction_weight` is out of range.
    """

    applies_to = ("classes",)
    strength = "prediction_weight"
    keeps_inputs = True
    softens_labels = True

    def __init__(self, prediction_weight: float | None = None, kind: PredictionKind = "soft") -> None:
        super().__init__()
        prediction_weight = PAPERS_WEIGHTS[kind] if prediction_weight is None else prediction_weight
        check_fraction("BootstrapLabels", prediction_weight=prediction_weight)
        self.prediction_weight = prediction_weight
        self.kind: PredictionKind = kind

    @override
    def revise(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if self.prediction_weight == 0:
            return targets
        return bootstrap_labels(targets, outputs, self.prediction_weight, self.kind)
