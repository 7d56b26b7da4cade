"""Generated sequences that show how long a recurrent network can remember."""

from typing import Any

import numpy as np
import torch
from typing_extensions import override

from datamodules.checks import check_at_least, check_between
from datamodules.normalization import Normalization
from datamodules.samples import UNLABELLED, Samples
from datamodules.sequences.sequence_data import SequenceDataModule


class GeneratedSequences(SequenceDataModule):
    """Sequences generated from a seed of their own; they are not normalised.

    Args:
        num_samples: Number of sequences, over all parts.
        data_seed: Seed of the data; independent of the seeds of split and training.
        kwargs: Arguments of `DataModule`.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(self, num_samples: int = 10_000, data_seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_at_least(type(self).__name__, 1, num_samples=num_samples)
        check_between(type(self).__name__, 0, 2**32 - 1, data_seed=data_seed)
        self.num_samples = num_samples
        self.data_seed = data_seed

    def random(self) -> np.random.RandomState:
        """Return the generator of the data; NumPy has frozen its stream."""
        return np.random.RandomState(self.data_seed)

    def measure(self, indices: torch.Tensor) -> Normalization:
        """Return the identity."""
        return Normalization([0.0], [1.0])


class AddingProblem(GeneratedSequences):
    """The adding problem (Hochreiter & Schmidhuber, Neural Computation 1997, section 5.4), for regression.

    Each step has a number, drawn uniformly from [0, 1), and a mark: 1 for one step in each half of the sequence, 0 for
    the others. The target, (N, 1), is the sum of the two marked numbers; always predicting 1 has a mean squared error
    of 1/6. As usual since Le et al. (arXiv 1504.00941), all sequences have the same length and numbers are not
    negative; the original draws lengths, draws numbers from [-1, 1] and scales the sum.

    Args:
        length: Number of steps.
        num_samples: Number of sequences, over all parts.
        data_seed: Seed of the data; independent of the seeds of split and training.
        kwargs: Arguments of `DataModule`.

    Raises:
        ValueError: An argument is out of range.
    """

    class_names = ()

    def __init__(self, length: int = 50, num_samples: int = 10_000, data_seed: int = 0, **kwargs: Any) -> None:
        super().__init__(num_samples, data_seed, **kwargs)
        check_at_least("AddingProblem", 2, length=length)
        self.input_shape = (length, 2)

    @override
    def load(self) -> Samples:
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
    """Random one-hot symbols; the label of each step is the symbol `delay` steps before.

    The first `delay` steps have no label. Guessing reaches an accuracy of 1 / `symbols`.

    Args:
        delay: Number of steps to remember a symbol, 0 to `length` - 1.
        length: Number of steps.
        symbols: Number of symbols; 2 or more.
        num_samples: Number of sequences, over all parts.
        data_seed: Seed of the data; independent of the seeds of split and training.
        kwargs: Arguments of `DataModule`.

    Raises:
        ValueError: An argument is out of range.
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
        check_at_least("DelayedEcho", 1, length=length)
        check_at_least("DelayedEcho", 2, symbols=symbols)
        check_at_least("DelayedEcho", 0, delay=delay)
        if delay >= length:
            raise ValueError(f"DelayedEcho: delay {delay} leaves no label in a sequence of length {length}")
        self.delay = delay
        self.input_shape = (length, symbols)
        self.class_names = tuple(str(symbol) for symbol in range(symbols))

    @override
    def load(self) -> Samples:
        length, symbols = self.input_shape
        drawn = torch.from_numpy(self.random().randint(0, symbols, (self.num_samples, length)).astype(np.int64))
        targets = torch.full_like(drawn, UNLABELLED)
        targets[:, self.delay :] = drawn[:, : length - self.delay]
        return Samples(torch.nn.functional.one_hot(drawn, symbols).float(), targets)
