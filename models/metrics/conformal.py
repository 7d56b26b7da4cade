"""Metrics of prediction sets and intervals."""

from collections.abc import Callable

from torch import Tensor
from typing_extensions import override

from models.calibration.conformal import prediction_sets
from models.metrics.mean_loss import SUM_DTYPE, MeanLoss


class ConformalCoverage(MeanLoss):
    """Fraction of samples whose target is in their prediction set or interval.

    Args:
        score: Returns the score of each sample, (N,), of predictions and targets.
        threshold: Largest score of what is in it.
    """

    higher_is_better = None

    def __init__(self, score: Callable[[Tensor, Tensor], Tensor], threshold: float) -> None:
        super().__init__()
        self.score = score
        self.threshold = threshold

    @override
    def losses(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return (self.score(predictions, targets) <= self.threshold).to(SUM_DTYPE)


class MeanSetSize(MeanLoss):
    """Mean number of classes or labels in a prediction set.

    Args:
        probabilities: Returns the probabilities, (N, C), of logits.
        threshold: Largest score of what is in a set.
    """

    higher_is_better = None

    def __init__(self, probabilities: Callable[[Tensor], Tensor], threshold: float) -> None:
        super().__init__()
        self.probabilities = probabilities
        self.threshold = threshold

    @override
    def losses(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return self.sizes(predictions).to(SUM_DTYPE)

    def sizes(self, predictions: Tensor) -> Tensor:
        """Return the number of classes or labels in each sample's set, (N,)."""
        return prediction_sets(self.probabilities(predictions), self.threshold).sum(1)


class EmptySets(MeanSetSize):
    """Fraction of prediction sets without any class."""

    @override
    def losses(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return (self.sizes(predictions) == 0).to(SUM_DTYPE)
