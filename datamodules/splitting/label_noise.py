"""Label noise made on purpose, drawn once from a seed, to measure memorisation."""

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from datamodules.checks import check_between, check_fraction
from datamodules.errors import DataError
from datamodules.splitting.subsets import Indices

Matrix = npt.NDArray[np.float64]


def corrupt_labels(labels: Indices, transition: Matrix, seed: int) -> Indices:
    """Replace each label by one drawn from its row of the transition matrix.

    Args:
        labels: True labels, (n,), in [0, C).
        transition: (C, C); row t holds the probability of each label if t is the true one.
        seed: Seed of the draw; the same on any machine.
    """
    uniform = np.random.RandomState(seed).random_sample(len(labels))
    drawn = (uniform[:, None] >= transition.cumsum(axis=1)[labels]).sum(axis=1)
    given: Indices = np.minimum(drawn, len(transition) - 1).astype(np.int64)
    return given


class LabelNoise(ABC):
    """Corrupts the labels of the training part; validation and test keep the true ones.

    Args:
        noise_seed: Seed of the draw; independent of the seeds of training and split.

    Raises:
        ValueError: The seed is out of range.
    """

    def __init__(self, noise_seed: int = 0) -> None:
        check_between(type(self).__name__, 0, 2**32 - 1, noise_seed=noise_seed)
        self.noise_seed = noise_seed

    @abstractmethod
    def transition(self, num_classes: int) -> Matrix:
        """Return the transition matrix, (C, C): row t holds the probability of each label if t is the true one."""

    def corrupt(self, labels: Indices, num_classes: int) -> Indices:
        """Return labels (n,), some of them wrong.

        Raises:
            DataError: There are fewer than two classes, or another number of classes than the matrix has rows.
        """
        if num_classes < 2:
            raise DataError(f"label_noise: needs two classes or more, not {num_classes}")
        return corrupt_labels(labels, self.transition(num_classes), self.noise_seed)


class SymmetricNoise(LabelNoise):
    """Replaces a label by one of the other classes, uniformly, with a probability.

    Args:
        rate: Probability that a label is wrong, in [0, 1].
        noise_seed: Seed of the draw.

    Raises:
        ValueError: `rate` is out of range.
    """

    def __init__(self, rate: float, noise_seed: int = 0) -> None:
        super().__init__(noise_seed)
        check_fraction(type(self).__name__, rate=rate)
        self.rate = rate

    @override
    def transition(self, num_classes: int) -> Matrix:
        matrix = np.full((num_classes, num_classes), self.rate / (num_classes - 1))
        np.fill_diagonal(matrix, 1 - self.rate)
        return matrix


class PairNoise(LabelNoise):
    """Replaces a label by the next class, the last class by the first, with a probability (Han et al., NeurIPS 2018).

    Args:
        rate: Probability that a label is wrong, in [0, 1].
        noise_seed: Seed of the draw.

    Raises:
        ValueError: `rate` is out of range.
    """

    def __init__(self, rate: float, noise_seed: int = 0) -> None:
        super().__init__(noise_seed)
        check_fraction(type(self).__name__, rate=rate)
        self.rate = rate

    @override
    def transition(self, num_classes: int) -> Matrix:
        same = np.eye(num_classes)
        return (1 - self.rate) * same + self.rate * np.roll(same, 1, axis=1)


class MatrixNoise(LabelNoise):
    """Replaces labels with the probabilities of a matrix.

    Args:
        matrix: C rows of C probabilities, each adding up to 1; row t is for samples whose true class is t.
        noise_seed: Seed of the draw.

    Raises:
        ValueError: A row is not a distribution over C classes.
    """

    def __init__(self, matrix: list[list[float]], noise_seed: int = 0) -> None:
        super().__init__(noise_seed)
        for number, row in enumerate(matrix):
            if len(row) != len(matrix) or min(row) < 0 or abs(sum(row) - 1) > 1e-6:
                raise ValueError(
                    f"MatrixNoise: row {number}, {row}, is not {len(matrix)} probabilities that add up to 1"
                )
        self.matrix = matrix

    @override
    def transition(self, num_classes: int) -> Matrix:
        if len(self.matrix) != num_classes:
            raise DataError(f"label_noise: the matrix has {len(self.matrix)} rows; there are {num_classes} classes")
        return np.array(self.matrix)
