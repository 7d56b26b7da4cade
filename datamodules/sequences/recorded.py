"""Sequences as a file holds them, before they are split: steps one after the other, and targets."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.utils.rnn import pad_sequence

from datamodules.precision import narrowest
from datamodules.samples import UNLABELLED, Samples
from datamodules.sequences.ragged import RaggedSequences, check_padded_size

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Recorded:
    """N sequences read from files.

    Attributes:
        name: The file or folder, for messages.
        values: The steps of all sequences, one after the other, (sum T, F), float64.
        lengths: Number of steps of each, (N,), int64, 1 or more.
        targets: Labels, int64, or continuous targets with one column each, float64: one row for each sequence, or for
            each step.
        of_steps: Whether targets are of steps.
        class_names: C names; none if targets are continuous.
        feature_names: What messages call each of F features.
    """

    name: str
    values: Array
    lengths: Array
    targets: Array
    of_steps: bool
    class_names: tuple[str, ...]
    feature_names: list[str]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(T, F) of the longest sequence."""
        return int(self.lengths.max()), self.values.shape[1]

    def samples(self) -> Samples:
        """Return the sequences in the narrowest precision that keeps their differences.

        Raises:
            DataError: Targets of steps, padded to the longest sequence, are too large for memory.
        """
        lengths = torch.from_numpy(self.lengths.astype(np.int64))
        targets = torch.from_numpy(np.ascontiguousarray(self.targets))
        if self.of_steps:
            remedy = "cut it into shorter ones"
            check_padded_size(self.name, len(lengths), lengths, targets[0].nbytes, remedy)
            filler = torch.nan if targets.is_floating_point() else UNLABELLED
            targets = pad_sequence(list(torch.split(targets, lengths.tolist())), batch_first=True, padding_value=filler)
        inputs = RaggedSequences(narrowest(torch.from_numpy(self.values)), lengths)
        return Samples(inputs, targets, lengths=lengths)
