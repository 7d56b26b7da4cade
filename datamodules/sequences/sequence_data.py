"""Sequences in memory, of equal or different lengths: padded once, trimmed batch by batch."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from datamodules.base import DataModule
from datamodules.loader import Batch
from datamodules.normalization import Normalization, channel_statistics
from datamodules.samples import are_labels_of_steps
from datamodules.splitting.duplicates import Digests, digest_each


class Sequences(NamedTuple):
    """A batch of sequences of different lengths, padded to the longest.

    Attributes:
        values: (N, T, F), float32; values beyond a sequence's length are padding.
        lengths: Number of true steps of each sequence, (N,), int64.
    """

    values: Tensor
    lengths: Tensor


class SequenceDataModule(DataModule):
    """A dataset of sequences (T, F) that fits in memory.

    A subclass's `load` returns inputs float32 (N, T, F), `lengths` if they differ, and one target per sequence or one
    label per step, (N, T). Batches are (inputs, targets): inputs (N, T, F), or `Sequences` if lengths differ; inputs
    and labels of steps are then cut after the longest sequence of the batch.

    Mean and standard deviation for the normalisation, one value per feature, are those of the training part's true
    steps.
    """

    maximum = 1.0
    channel_axis = -1

    def fields(self) -> Batch:
        """Return the tensors to slice into batches: values, lengths if they differ, targets, weights if any."""
        values, *targets = super().fields()
        lengths = self.samples.lengths
        return (values, *targets) if lengths is None else (values, lengths, *targets)

    def _padded(self) -> Tensor:
        assert isinstance(self.samples.inputs, Tensor)
        return self.samples.inputs

    def digests(self) -> Digests:
        """Return a digest of each sequence's true steps, (N,)."""
        lengths = self.samples.lengths
        if lengths is None:
            return super().digests()
        values = self._padded().contiguous().numpy()
        return digest_each(values[row, :length] for row, length in enumerate(lengths.tolist()))

    def measure(self, indices: Tensor) -> Normalization:
        """Return mean and standard deviation of each feature over the true steps of the given sequences."""
        values, lengths = self._padded()[indices], self.samples.lengths
        if lengths is None:
            return channel_statistics(values.flatten(0, 1), self.maximum)
        true = torch.arange(values.shape[1]) < lengths[indices].unsqueeze(1)
        return channel_statistics(values[true], self.maximum)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> tuple[Any, ...]:
        """Cut a batch after its longest sequence, scale it and, while training, augment it."""
        if self.samples.lengths is None:
            return super().on_after_batch_transfer(batch, dataloader_idx)
        values, lengths, targets, *weights = batch
        longest = int(lengths.max())
        values, targets = super().on_after_batch_transfer((values[:, :longest], targets), dataloader_idx)
        targets = targets[:, :longest] if are_labels_of_steps(targets) else targets
        return Sequences(values, lengths), targets, *weights
