"""Generated sequences that show what a recurrent network can remember, and for how long."""

from typing import Any

import numpy as np
import torch

from datamodules.errors import DataError
from datamodules.normalization import Normalization
from datamodules.samples import UNLABELLED, Samples
from datamodules.sequences.sequence_data import SequenceDataModule


class GeneratedSequences(SequenceDataModule):
    """Sequences made by a seed of their own, which a network is given as they are: there is nothing to normalise.

    Args:
        num_samples: Number of sequences, over all parts.
        data_seed: Seed of the data, apart from those of split and training.
        kwargs: Arguments of `InMemoryDataModule`.

    Raises:
        DataError: An argument is out of range.
    """

    def __init__(self, num_samples: int = 10_000, data_seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.require(num_samples=(num_samples, 1), data_seed=(data_seed, 0))
        if data_seed >= 2**32:
            raise DataError(f"{type(self).__name__}: data_seed {data_seed} is not less than {2**32}")
        self.num_samples = num_samples
        self.data_seed = data_seed

    def require(self, **least: tuple[int, int]) -> None:
        """Check that arguments, given as (value, least value), are large enough."""
        for name, (value, smallest) in least.items():
            if value < smallest:
                raise DataError(f"{type(self).__name__}: {name} {value} is less than {smallest}")

    def random(self) -> np.random.RandomState:
        """Return the source of the data, whose stream NumPy has frozen."""
        return np.random.RandomState(self.data_seed)

    def measure(self, indices: torch.Tensor) -> Normalization:
        """Return the normalisation that changes nothing."""
        return Normalization([0.0], [1.0])


class AddingProblem(GeneratedSequences):
    """The adding problem (Hochreiter & Schmidhuber, Neural Computation 1997, section 5.4), for regression.

    Each step has a number drawn uniformly from [0, 1) and a mark; two steps are marked by 1, one in either half of the
    sequence, the others by 0. The target, (N, 1), is the sum of the two marked numbers. Always answering 1 has a mean
    squared error of 1/6. As usual since Le et al. (arXiv 1504.00941) all sequences are equally long and numbers are
    not negative; the original draws lengths, draws numbers from [-1, 1] and scales the sum.

    Args:
        length: Number of steps.
        num_samples: Number of sequences, over all parts.
        data_seed: Seed of the data, apart from those of split and training.
        kwargs: Arguments of `InMemoryDataModule`.

    Raises:
        DataError: An argument is out of range.
    """

    class_names = ()

    def __init__(self, length: int = 50, num_samples: int = 10_000, data_seed: int = 0, **kwargs: Any) -> None:
        super().__init__(num_samples, data_seed, **kwargs)
        self.require(length=(length, 2))
        self.input_shape = (length, 2)

    def load(self) -> Samples:  # noqa: D102
        random, (length, _) = self.random(), self.input_shape
        numbers = random.random_sample((self.num_samples, length))
        rows = np.arange(self.num_samples)
        first = random.randint(0, length // 2, self.num_samples)
        second = random.randint(length // 2, length, self.num_samples)
        marks = np.zeros_like(numbers)
        marks[rows, first] = marks[rows, second] = 1
        sums = numbers[rows, first] + numbers[rows, second]
        inputs = torch.from_numpy(np.stack([numbers, marks], axis=-1)).float()
        return Samples(inputs, torch.from_numpy(sums).float().unsqueeze(1))


class DelayedEcho(GeneratedSequences):
    """Random symbols, one-hot; the label of each step is the symbol seen `delay` steps before.

    The first `delay` steps have no label. Guessing has an accuracy of 1 / `symbols`.

    Args:
        delay: How many steps a symbol has to be remembered; 0 or more, less than `length`.
        length: Number of steps.
        symbols: Number of symbols; 2 or more.
        num_samples: Number of sequences, over all parts.
        data_seed: Seed of the data, apart from those of split and training.
        kwargs: Arguments of `InMemoryDataModule`.

    Raises:
        DataError: An argument is out of range.
    """

    def __init__(
        self,
        delay: int = 5,
        length: int = 20,
        symbols: int = 8,
        num_samples: int = 2_000,
        data_seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_samples, data_seed, **kwargs)
        self.require(delay=(delay, 0), length=(length, 1), symbols=(symbols, 2))
        if delay >= length:
            raise DataError(f"DelayedEcho: delay {delay} leaves no label in a sequence of length {length}")
        self.delay = delay
        self.input_shape = (length, symbols)
        self.class_names = tuple(str(symbol) for symbol in range(symbols))

    def load(self) -> Samples:  # noqa: D102
        length, symbols = self.input_shape
        drawn = torch.from_numpy(self.random().randint(0, symbols, (self.num_samples, length)).astype(np.int64))
        targets = torch.full_like(drawn, UNLABELLED)
        targets[:, self.delay :] = drawn[:, : length - self.delay]
        return Samples(torch.nn.functional.one_hot(drawn, symbols).float(), targets)
