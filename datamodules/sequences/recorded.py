"""Sequences as a file holds them, before they are split: steps one after the other, and targets."""

from collections.abc import Callable
from dataclasses import dataclass, field
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
        values: The steps of all sequences, one after the other, (sum T, F), float64, or float32 if they never were
            more precise.
        lengths: Number of steps of each, (N,), int64, 1 or more.
        targets: Labels, int64; several yes/no labels, bool; or continuous targets with one column each, float64: one
            row for each sequence, or for each step.
        of_steps: Whether targets are of steps.
        class_names: C names; none if targets are continuous.
        feature_names: What messages call each of F features.
        parts: Indices of the sequences of each part that the data itself names; empty if it names none.
        files: Path of each sequence's file below the folder; None if sequences are not files.
        facts: What to say of how the data was read.
        column: Returns the value of each sequence, (N,), under a name; None if there are no other columns.
        weights: Weight of each sequence in the training loss, (N,), float32; None without any.
    """

    name: str
    values: Array
    lengths: Array
    targets: Array
    of_steps: bool
    class_names: tuple[str, ...]
    feature_names: list[str]
    parts: dict[str, Array] = field(default_factory=dict)
    files: list[str] | None = None
    facts: list[str] = field(default_factory=list)
    column: Callable[[str], Array] | None = None
    weights: torch.Tensor | None = None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(T, F) of the longest sequence."""
        return int(self.lengths.max()), self.values.shape[1]

    def words(self) -> list[str]:
        """Return in words how long the sequences are, and what has a target."""
        longest, shortest = int(self.lengths.max()), int(self.lengths.min())
        steps = f"{shortest:,} to {longest:,} steps" if longest > shortest else f"{longest:,} step{'s' * (longest > 1)}"
        kind = "yes/no labels" if self.targets.dtype == bool else "a class" if self.class_names else "a number"
        parts = ["official validation part"] if "val" in self.parts else []
        return [*parts, steps, f"{kind} for each {'step' if self.of_steps else 'sequence'}", *self.facts]

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
        values = torch.from_numpy(self.values)
        inputs = RaggedSequences(values if values.dtype == torch.float32 else narrowest(values), lengths)
        test, val = self.parts.get("test"), self.parts.get("val")
        return Samples(inputs, targets, test, val, lengths, self.weights)
