"""Training parts in which some classes are rare, made from ones in which none is."""

from abc import ABC, abstractmethod

import numpy as np

from datamodules.errors import DataError
from datamodules.splitting.subsets import Indices


class Imbalance(ABC):
    """Thins the classes of the training part out; validation and test stay as they are.

    Args:
        factor: How many times rarer the rarest class becomes, 1 or more.

    Raises:
        DataError: `factor` is less than 1.
    """

    def __init__(self, factor: float) -> None:
        if not factor >= 1:  # NaN too
            raise DataError(f"imbalance: factor {factor} is less than 1")
        self.factor = factor

    @abstractmethod
    def shares(self, num_classes: int) -> list[float]:
        """Return what share of each class's samples is kept, in (0, 1]."""

    def thin(self, train: Indices, labels: Indices, num_classes: int, order: Indices) -> Indices:
        """Return what is kept of a training part, sorted; at least one sample a class.

        Args:
            train: Indices of the training part.
            labels: Label of every sample of the dataset.
            num_classes: C.
            order: Samples in the order in which a class keeps them; all of `train` are among them. If smaller training
                parts are taken in this order too, what is kept of them lies inside what is kept of larger ones.
        """
        place = np.zeros(len(labels), dtype=np.int64)
        place[order] = np.arange(len(order))
        kept = []
        for label, share in enumerate(self.shares(num_classes)):
            members = train[labels[train] == label]
            kept.append(members[place[members].argsort()][: max(round(share * len(members)), 1)])
        return np.sort(np.concatenate(kept))


class ExponentialImbalance(Imbalance):
    """Class k of C keeps factor^(-k / (C - 1)) of its samples: a long tail (Cui et al., CVPR 2019).

    Args:
        factor: How many times rarer the last class becomes than the first, 1 or more.
    """

    def shares(self, num_classes: int) -> list[float]:  # noqa: D102
        return [self.factor ** (-label / max(num_classes - 1, 1)) for label in range(num_classes)]


class StepImbalance(Imbalance):
    """The last classes keep 1 / factor of their samples, the others all (Buda et al., 2018).

    Args:
        factor: How many times rarer the last classes become, 1 or more.
        minority: Share of the classes that are thinned out, in (0, 1).

    Raises:
        DataError: An argument is out of range.
    """

    def __init__(self, factor: float, minority: float = 0.5) -> None:
        super().__init__(factor)
        if not 0 < minority < 1:
            raise DataError(f"imbalance: minority {minority} is not in (0, 1)")
        self.minority = minority

    def shares(self, num_classes: int) -> list[float]:  # noqa: D102
        rare = round(self.minority * num_classes)
        return [1.0] * (num_classes - rare) + [1 / self.factor] * rare
