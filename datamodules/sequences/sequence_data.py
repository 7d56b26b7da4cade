"""Sequences in memory, of equal or different lengths, padded batch by batch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.base import DataModule
from datamodules.errors import DataError
from datamodules.loader import Batch
from datamodules.new_inputs import NewBatch, TrainedOn
from datamodules.normalization import Normalization, channel_statistics
from datamodules.precision import check_precision, numbered_features
from datamodules.samples import labelled_steps
from datamodules.sequences.new_sequences import Layout, read_new_sequences
from datamodules.sequences.ragged import PLACE_BYTES, RaggedSequences, Sequences, check_padded_size
from datamodules.splitting.duplicates import Digests, digest_each


class SequenceDataModule(DataModule):
    """A dataset of sequences (T, F) that fits in memory.

    A subclass's `load` returns inputs (N, T, F), with `lengths` if they differ, or `RaggedSequences`, in float32 or,
    where that loses differences, in float64; and one target per sequence, or one per step, in the forms of `Samples`.
    Batches are (inputs, targets), or (inputs, targets, weights): inputs (N, T, F), or `Sequences` if lengths differ;
    inputs and targets of steps are then cut after the longest sequence of the batch.

    Mean and standard deviation for the normalisation, one value per feature, are those of the training part's true
    steps.
    """

    maximum = 1.0
    channel_axis = -1

    @classmethod
    @override
    def new_inputs(cls, path: Path, trained: TrainedOn) -> Iterator[NewBatch]:
        """Yield sequences without targets, from an .npz or .npy file, .csv files of numbers, or a folder of these."""
        return read_new_sequences(path, trained, Layout(trained.shape[-1]))

    def fields(self) -> Batch:
        """Return the tensors to slice into batches: values, lengths if they differ, targets, weights if any."""
        values, *targets = super().fields()
        lengths = self.samples.lengths
        return (values, *targets) if lengths is None else (values, lengths, *targets)

    def origin(self) -> str:
        """Return what messages call the data: the dataset, or its file."""
        return self.dataset_name

    def feature_names(self) -> list[str]:
        """Return what messages call each feature of a step."""
        return numbered_features(self.samples.inputs.shape[-1])

    @override
    def setup(self, stage: str | None = None) -> None:
        if self.split is not None:
            return
        super().setup(stage)
        inputs, owner = self.samples.inputs, self.origin()
        if isinstance(inputs, RaggedSequences):
            count = min(max(self.batch_size, self.eval_batch_size), len(inputs))
            remedy = "cut it into shorter ones, or lower data.batch_size and data.eval_batch_size"
            check_padded_size(owner, count, inputs.lengths, inputs.values[0].nbytes + PLACE_BYTES, remedy)
        steps = self.true_steps(torch.arange(len(inputs)))
        if steps.is_floating_point():
            check_precision(owner, self.feature_names(), steps.flatten(1), self.normalization)

    def true_steps(self, indices: Tensor) -> Tensor:
        """Return the steps of the sequences at `indices` without padding, (steps, F)."""
        inputs, lengths = self.samples.inputs, self.samples.lengths
        if isinstance(inputs, RaggedSequences):
            return inputs.sample(indices)
        assert isinstance(inputs, Tensor)
        values = inputs[indices]
        if lengths is None:
            return values.flatten(0, 1)
        return values[torch.arange(values.shape[1]) < lengths[indices].unsqueeze(1)]

    @override
    def digests(self) -> Digests:
        """Return a digest of each sequence's true steps, (N,)."""
        inputs, lengths = self.samples.inputs, self.samples.lengths
        if isinstance(inputs, RaggedSequences):
            return digest_each(sequence.contiguous().numpy() for sequence in inputs)
        if lengths is None:
            return super().digests()
        assert isinstance(inputs, Tensor)
        values = inputs.contiguous().numpy()
        return digest_each(values[row, :length] for row, length in enumerate(lengths.tolist()))

    @override
    def measure(self, indices: Tensor) -> Normalization:
        """Return mean and standard deviation of each feature over the true steps of the given sequences."""
        try:
            return channel_statistics(self.true_steps(indices), self.maximum)
        except DataError as error:
            raise DataError(f"{self.origin()}: {error}") from error

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> tuple[Any, ...]:
        """Cut a batch after its longest sequence, scale it and, while training, augment it."""
        if self.samples.lengths is None:
            return super().on_after_batch_transfer(batch, dataloader_idx)
        values, lengths, targets, *weights = batch
        longest = int(lengths.max())
        values, targets = super().on_after_batch_transfer((values[:, :longest], targets), dataloader_idx)
        targets = targets if labelled_steps(targets) is None else targets[:, :longest]
        return Sequences(values, lengths), targets, *weights
