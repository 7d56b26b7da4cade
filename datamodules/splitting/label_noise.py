"""Labels that are wrong on purpose, drawn once by a seed: what memorisation is measured on."""

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from datamodules.errors import DataError
from datamodules.splitting.subsets import Indices

Matrix = npt.NDArray[np.float64]


def corrupt_labels(labels: Indices, transition: Matrix, seed: int) -> Indices:
    """Replace each label by one drawn from its row of a transition matrix.

    Args:
        labels: True labels, (n,), in [0, C).
        transition: (C, C); row t holds the probability of each label where t is true.
        seed: Seed of the draw; the same on any machine.
    """
    uniform = np.random.RandomState(seed).random_sample(len(labels))
    drawn = (uniform[:, None] >= transition.cumsum(axis=1)[labels]).sum(axis=1)
    given: Indices = np.minimum(drawn, len(transition) - 1).astype(np.int64)
    return given


class LabelNoise(ABC):
    """Corrupts the labels of the training part; validation and test keep the true ones.

    Args:
        noise_seed: Seed of the draw, apart from the training seed and the split's.

    Raises:
        DataError: The seed is out of range.
    """

    def __init__(self, noise_seed: int = 0) -> None:
        if not 0 <= noise_seed < 2**32:
            raise DataError(f"label_noise: noise_seed {noise_seed} is not between 0 and {2**32 - 1}")
        self.noise_seed = noise_seed

    @abstractmethod
    def transition(self, num_classes: int) -> Matrix:
        """Return the transition matrix, (C, C): row t holds the probability of each label where t is true."""

    def corrupt(self, labels: Indices, num_classes: int) -> Indices:
        """Return labels (n,) of which some are wrong.

        Raises:
            DataError: There is one class alone, or the matrix fits no labels.
        """
        if num_classes < 2:
            raise DataError(f"label_noise: there is nothing to confuse among {num_classes} classes")
        return corrupt_labels(labels, self.transition(num_classes), self.noise_seed)


class SymmetricNoise(LabelNoise):
    """With a probability a label becomes one of the other classes, all alike.

    Args:
        rate: Probability that a label is wrong, in [0, 1].
        noise_seed: Seed of the draw.

    Raises:
        DataError: `rate` is out of range.
    """

    def __init__(self, rate: float, noise_seed: int = 0) -> None:
        super().__init__(noise_seed)
        self.rate = _checked(rate)

    def transition(self, num_classes: int) -> Matrix:  # noqa: D102
        matrix = np.full((num_classes, num_classes), self.rate / (num_classes - 1))
        np.fill_diagonal(matrix, 1 - self.rate)
        return matrix


class PairNoise(LabelNoise):
    """With a probability a label becomes the next class, and the last class the first (Han et al., NeurIPS 2018).

    Args:
        rate: Probability that a label is wrong, in [0, 1].
        noise_seed: Seed of the draw.

    Raises:
        DataError: `rate` is out of range.
    """

    def __init__(self, rate: float, noise_seed: int = 0) -> None:
        super().__init__(noise_seed)
        self.rate = _checked(rate)

    def transition(self, num_classes: int) -> Matrix:  # noqa: D102
        same = np.eye(num_classes)
        return (1 - self.rate) * same + self.rate * np.roll(same, 1, axis=1)


class MatrixNoise(LabelNoise):
    """Labels are confused as a matrix says.

    Args:
        matrix: C rows of C probabilities; row t says what a label becomes where class t is true, and adds up to 1.
        noise_seed: Seed of the draw.

    Raises:
        DataError: A row is no distribution.
    """

    def __init__(self, matrix: list[list[float]], noise_seed: int = 0) -> None:
        super().__init__(noise_seed)
        for number, row in enumerate(matrix):
            if len(row) != len(matrix) or min(row) < 0 or abs(sum(row) - 1) > 1e-6:
                raise DataError(f"label_noise: row {number} of the matrix, {row}, is not {len(matrix)} shares of 1")
        self.matrix = matrix

    def transition(self, num_classes: int) -> Matrix:  # noqa: D102
        if len(self.matrix) != num_classes:
            raise DataError(f"label_noise: the matrix has {len(self.matrix)} rows; there are {num_classes} classes")
        return np.array(self.matrix)


def _checked(rate: float) -> float:
    if not 0 <= rate <= 1:
        raise DataError(f"label_noise: rate {rate} is not in [0, 1]")
    return rate
