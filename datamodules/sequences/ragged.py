"""Sequences of different lengths, one after the other in memory, padded batch by batch."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.errors import DataError
from datamodules.loader import Batch, BatchLoader, Order
from datamodules.samples import Stream

PLACE_BYTES = 9  # beside its values, a padded step takes its place in memory and whether it is padding
LARGEST_PADDED = 4 * 2**30  # bytes of sequences that are padded to the longest of them


class Sequences(NamedTuple):
    """A batch of sequences of different lengths, padded to the longest.

    Attributes:
        values: (N, T, F), float32 or float64, or token ids (N, T), int64; those beyond a sequence's length are padding.
        lengths: Number of true steps of each sequence, (N,), int64.
    """

    values: Tensor
    lengths: Tensor


class RaggedSequences(Stream):
    """N sequences without padding; an index that is not one number gives padded `Sequences`.

    Args:
        values: The steps of all sequences, one sequence after the other, (sum T, ...).
        lengths: Number of steps of each, (N,), int64, 1 or more.
    """

    def __init__(self, values: Tensor, lengths: Tensor) -> None:
        self.values, self.lengths = values, lengths
        self.starts = lengths.cumsum(0) - lengths
        self.shape = (len(lengths), int(lengths.max()), *values.shape[1:])
        self.dtype = values.dtype
        self._moved: RaggedSequences | None = None

    def __getitem__(self, index: "int | slice | list[int] | Tensor") -> "Tensor | Sequences":
        """Return one sequence, (T, ...), or several, padded."""
        chosen = torch.arange(len(self))[index]
        if chosen.ndim:
            return self.pad(chosen)
        start = int(self.starts[chosen])
        return self.values[start : start + int(self.lengths[chosen])]

    def __iter__(self) -> Iterator[Tensor]:
        return iter(torch.split(self.values, self.lengths.tolist()))

    def pad(self, indices: Tensor) -> Sequences:
        """Return the sequences at `indices`, (n,), padded with zeros to the longest of them."""
        lengths = self.lengths[indices]
        steps = torch.arange(int(lengths.max()))
        places = (self.starts[indices].unsqueeze(1) + steps).clamp_max_(len(self.values) - 1)
        device = self.values.device
        padding = (steps >= lengths.unsqueeze(1)).to(device)
        padding = padding.view(*padding.shape, *[1] * (self.values.ndim - 1))
        return Sequences(self.values[places.to(device)].masked_fill_(padding, 0), lengths.to(device))

    @override
    def sample(self, indices: Tensor) -> Tensor:
        """Return all steps of the sequences at `indices`, one sequence after the other, (steps, ...)."""
        lengths = self.lengths[indices]
        before = lengths.cumsum(0) - lengths
        places = torch.arange(int(lengths.sum())) + (self.starts[indices] - before).repeat_interleave(lengths)
        return self.values[places]

    @override
    def loader(
        self, others: Batch, indices: Tensor, batch_size: int, order: Order, device: torch.device
    ) -> BatchLoader:
        if self._moved is None or self._moved.values.device != device:
            # Raw data that fits in memory fits on an accelerator too, where slicing costs nothing.
            self._moved = RaggedSequences(self.values.to(device), self.lengths)
        others = tuple(values.to(device) for values in others)
        return RaggedLoader(self._moved, others, indices, batch_size, order)


class RaggedLoader(BatchLoader):
    """Pads each batch to its longest sequence: (values, lengths, *others).

    Args:
        sequences: All sequences of the dataset.
        others: What batches hold beside the sequences, of all of them, on the same device.
        indices: As in `BatchLoader`.
        batch_size: As in `BatchLoader`.
        order: As in `BatchLoader`.
    """

    def __init__(
        self, sequences: RaggedSequences, others: Batch, indices: Tensor, batch_size: int, order: Order
    ) -> None:
        super().__init__(indices, batch_size, order)
        self.sequences, self.others = sequences, others

    @override
    def read(self, batches: Iterable[Tensor]) -> Iterator[Batch]:
        for indices in batches:
            padded, moved = self.sequences.pad(indices), indices.to(self.sequences.values.device)
            yield *padded, *(values.index_select(0, moved) for values in self.others)


def check_padded_size(owner: str, count: int, lengths: Tensor, bytes_per_step: int, remedy: str) -> None:
    """Check that sequences padded to the longest of the dataset are not too large for memory.

    Args:
        owner: The file or the datamodule, for the message.
        count: How many sequences are padded together.
        lengths: Number of steps of every sequence of the dataset, (N,).
        bytes_per_step: Size of one step.
        remedy: What to do, for the message.

    Raises:
        DataError: They would take more than `LARGEST_PADDED` bytes.
    """
    longest = int(lengths.max())
    size = count * longest * bytes_per_step
    if size > LARGEST_PADDED:
        raise DataError(
            f"{owner}: {count:,} sequences padded to the longest (sequence {int(lengths.argmax())}, {longest:,} steps) "
            f"take {size / 2**30:.1f} GiB; at most {LARGEST_PADDED / 2**30:g} are allowed: {remedy}"
        )
