"""Imbalance made on purpose: training parts in which some classes are rare."""

from abc import ABC, abstractmethod

import numpy as np
from typing_extensions import override

from datamodules.checks import check_at_least, check_fraction
from datamodules.splitting.subsets import Indices


class Imbalance(ABC):
    """Removes samples of some classes from the training part; validation and test stay as they are.

    Args:
        factor: How many times rarer the rarest class becomes, 1 or more.

    Raises:
        ValueError: `factor` is less than 1.
    """

    def __init__(self, factor: float) -> None:
        check_at_least(type(self).__name__, 1, factor=factor)
        self.factor = factor

    @abstractmethod
    def fractions(self, num_classes: int) -> list[float]:
        """Return the fraction of each class's samples to keep, in (0, 1]."""

    def thin(self, train: Indices, labels: Indices, num_classes: int, order: Indices) -> Indices:
        """Return the samples to keep of a training part, sorted; at least one per class.

        Args:
            train: Indices of the training part.
            labels: Label of every sample of the dataset.
            num_classes: C.
            order: Samples in the order in which a class keeps them; contains all of `train`. If smaller training parts
                are taken in this order too, their kept samples are a subset of those of larger ones.
        """
        place = np.zeros(len(labels), dtype=np.int64)
        place[order] = np.arange(len(order))
        kept = []
        for label, fraction in enumerate(self.fractions(num_classes)):
            members = train[labels[train] == label]
            kept.append(members[place[members].argsort()][: max(round(fraction * len(members)), 1)])
        return np.sort(np.concatenate(kept))


class ExponentialImbalance(Imbalance):
    """Class k of C keeps factor^(-k / (C - 1)) of its samples: a long tail (Cui et al., CVPR 2019).

    Args:
        factor: How many times rarer the last class becomes than the first, 1 or more.
    """

    @override
    def fractions(self, num_classes: int) -> list[float]:
        return [self.factor ** (-label / max(num_classes - 1, 1)) for label in range(num_classes)]


class StepImbalance(Imbalance):
    """The last classes keep 1 / factor of their samples, the others all (Buda et al., 2018).

    Args:
        factor: How many times rarer the last classes become, 1 or more.
        minority: Fraction of the classes that become rare, in (0, 1).

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(self, factor: float, minority: float = 0.5) -> None:
        super().__init__(factor)
        check_fraction("StepImbalance", above_zero=True, below_one=True, minority=minority)
        self.minority = minority

    @override
    def fractions(self, num_classes: int) -> list[float]:
        rare = round(self.minority * num_classes)
        return [1.0] * (num_classes - rare) + [1 / self.factor] * rare
