"""Batches of a dataset, in an order that (seed, epoch) alone decides, divided among the devices, resumable anywhere."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import SequentialSampler

from datamodules.errors import DataError
from datamodules.samplers import balanced_order

Batch = tuple[Tensor, ...]
SHARE_FOR_DATA = 0.4  # of the free memory of a GPU: weights, gradients and activations need the rest


@dataclass(frozen=True)
class Order:
    """The order in which samples come, and this process's part of the batches; by default the dataset's own order.

    Args:
        shuffle: Draw a new permutation each epoch.
        seed: Seed of the permutations.
        drop_last: Leave out an incomplete last batch (only when shuffling).
        balance_by: Label of every sample of the dataset, (N,): an epoch then shows every class equally often.
        same_order: Repeat the first epoch's permutation in every epoch: the first batches are always the same.
        rank: This process's number, 0 to `world_size` - 1.
        world_size: Number of processes that share the work.
    """

    shuffle: bool = False
    seed: int = 0
    drop_last: bool = False
    balance_by: Tensor | None = None
    same_order: bool = False
    rank: int = 0
    world_size: int = 1


class BatchLoader(ABC):
    """Iterates over batches, and resumes within an epoch. A subclass reads the samples of a batch.

    Training (`order.shuffle`): the epoch's permutation depends on seed and epoch alone. `batch_size` is the size over
    all devices; each rank takes an equal slice, so a step has the same samples on one device or eight. The exception is
    the end of the epoch. A remainder that would give a device a single sample, which batch norm cannot train on, joins
    the batch before. The last batch is divided as far as it goes: an epoch misses at most `world_size` - 1 samples,
    different ones each time, and shows none twice.

    Evaluation: batches are dealt to the ranks in turn, whole and unpadded, so that each is computed as it would be on
    one device and every sample counts exactly once.

    Args:
        indices: Samples to iterate over, shape (n,), int64.
        batch_size: Samples per batch: over all ranks when shuffling, per rank otherwise; 1 or more.
        order: Order of the samples, and this process's part.

    Raises:
        DataError: There is nothing to iterate over, or `batch_size` cannot be divided among the ranks.
    """

    batch_sampler = None  # Lightning looks for one beside `sampler`

    def __init__(self, indices: Tensor, batch_size: int, order: Order) -> None:
        shuffle, world_size = order.shuffle, order.world_size
        if batch_size < 1:
            raise DataError(f"batch_size: {batch_size} is less than 1")
        if len(indices) < world_size:
            raise DataError(f"{len(indices)} samples cannot be divided among {world_size} devices")
        if shuffle and batch_size % world_size:
            raise DataError(f"batch_size: {batch_size} is not divisible by the number of devices, {world_size}")
        if shuffle and order.drop_last and len(indices) < batch_size:
            raise DataError(f"drop_last leaves no batch: there are {len(indices)} samples, and batch_size {batch_size}")
        self.indices = indices
        self.batch_size = batch_size if shuffle else min(batch_size, len(indices) // world_size)
        self.order = order
        self.seed = order.seed
        self.epoch = 0
        self.position = 0
        self._resume_at = 0
        self.device = indices.device  # of `read`'s indices: each copy would wait for the GPU, so there is one a pass

    @abstractmethod
    def read(self, batches: Iterable[Tensor]) -> Iterator[Batch]:
        """Yield the samples of each batch of indices, (b,), int64."""

    @property
    def sampler(self) -> "BatchLoader | Unshuffled":
        """The object whose `set_epoch` a trainer calls, and whose type tells it whether the order changes."""
        return self if self.order.shuffle and not self.order.same_order else Unshuffled(self)

    def set_epoch(self, epoch: int) -> None:
        """Choose the permutation of the next pass; a position reached in another epoch is forgotten."""
        if epoch != self.epoch:
            self._resume_at = 0
        self.epoch = epoch

    def permutation(self) -> Tensor:
        """Return this epoch's order of `indices`, shape (n,)."""
        order = self.order
        if not order.shuffle:
            return self.indices
        epoch = 0 if order.same_order else self.epoch
        entropy = np.random.SeedSequence([self.seed, epoch]).generate_state(1, np.uint64)[0]
        generator = torch.Generator().manual_seed(int(entropy) % 2**63)
        if order.balance_by is not None:
            return self.indices[balanced_order(order.balance_by[self.indices], generator)]
        return self.indices[torch.randperm(len(self.indices), generator=generator)]

    def __len__(self) -> int:
        """Return the number of batches that this rank yields in a pass."""
        rank, world_size = self.order.rank, self.order.world_size
        full, rest = divmod(len(self.indices), self.batch_size)
        if self.order.shuffle:
            return max(full + (rest >= 2 * world_size and not self.order.drop_last), 1)
        batches = full + (rest > 0)
        return batches // world_size + (rank < batches % world_size)

    def __iter__(self) -> Iterator[Batch]:
        # A generator draws the order when the first batch is asked for: after the trainer has set the epoch.
        self.position, self._resume_at = self._resume_at, 0
        for batch in self.read(self._slices() if self.order.shuffle else self._dealt()):
            self.position += 1
            yield batch

    def _slices(self) -> Iterator[Tensor]:
        permutation, last = self.permutation().to(self.device), len(self) - 1
        for number in range(self.position, len(self)):
            end = None if number == last and not self.order.drop_last else (number + 1) * self.batch_size
            batch = permutation[number * self.batch_size : end]
            size = len(batch) // self.order.world_size
            yield batch[self.order.rank * size : (self.order.rank + 1) * size]

    def _dealt(self) -> Iterator[Tensor]:
        indices = self.indices.to(self.device)
        for number in range(self.position, len(self)):
            start = (number * self.order.world_size + self.order.rank) * self.batch_size
            yield indices[start : start + self.batch_size]

    def state_dict(self) -> dict[str, Any]:
        """Return the position: the epoch, and the number of batches yielded in it."""
        return {"epoch": self.epoch, "position": self.position, "seed": self.seed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue, in the next pass, from the position that `state_dict` returned."""
        self.epoch, self.seed = state["epoch"], state["seed"]
        self.position = self._resume_at = state["position"]


class InMemoryLoader(BatchLoader):
    """Slices batches from tensors in memory: no per-sample Python, no worker processes.

    Against torch's `DataLoader(TensorDataset(...), sampler=BatchSampler(...))` it resumes exactly and divides batches
    among ranks without padding.

    Args:
        tensors: Fields of the dataset, each of length N: (inputs, targets), for example.
        indices: As in `BatchLoader`.
        batch_size: As in `BatchLoader`.
        order: As in `BatchLoader`.
    """

    def __init__(self, tensors: Batch, indices: Tensor, batch_size: int, order: Order) -> None:
        super().__init__(indices, batch_size, order)
        self.tensors = tensors
        self.device = tensors[0].device

    def read(self, batches: Iterable[Tensor]) -> Iterator[Batch]:
        """Yield the slices of all tensors for each batch of indices."""
        for indices in batches:
            yield tuple(tensor.index_select(0, indices) for tensor in self.tensors)


class PinnedLoader(InMemoryLoader):
    """Slices batches into page-locked memory, from where they are copied to a GPU without waiting for it."""

    def read(self, batches: Iterable[Tensor]) -> Iterator[Batch]:
        """Yield the slices of all tensors for each batch of indices."""
        for batch in super().read(batches):
            yield tuple(tensor.pin_memory() for tensor in batch)


def fits(tensors: Batch, device: torch.device) -> bool:
    """Return whether tensors leave enough of a device's free memory to train in; of a CPU, always."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return sum(tensor.nbytes for tensor in tensors) <= SHARE_FOR_DATA * free


class Unshuffled(SequentialSampler):
    """Tells Lightning, by its type, that the order is the same in every epoch; it is never iterated over."""

    def __init__(self, loader: BatchLoader) -> None:
        super().__init__(loader.indices)
        self.set_epoch = loader.set_epoch
