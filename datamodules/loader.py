"""Batches from memory: one tensor a field, sliced by batch, in an order that (seed, epoch) alone decides."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import SequentialSampler

from datamodules.errors import DataError
from datamodules.samplers import balanced_order

Batch = tuple[Tensor, ...]


class InMemoryLoader:
    """Iterates over batches of tensors that lie in memory: no per-sample Python, no workers, exact resume.

    Training (`shuffle=True`): the epoch's permutation depends on `seed` and epoch alone. `batch_size` is the whole
    batch over all devices; each of `world_size` ranks takes an equal share, so a step has the same samples on one
    device or eight, but for the last: a remainder that would give a device a single sample, which batch norm cannot
    train on, joins the batch before. The last batch is shared as far as it divides: an epoch misses at most
    `world_size` - 1 samples, others each time, and sees none twice.

    Evaluation (`shuffle=False`): batches are dealt to the ranks in turn, whole and unpadded, so that each is computed
    as it would be on one device and every sample counts exactly once.

    Args:
        tensors: Fields of the dataset, each of length N on its first dimension: (inputs, targets), say.
        indices: Which samples to iterate over, shape (n,), int64.
        batch_size: Samples a batch over all ranks when shuffling, a rank's own when not; 1 or more.
        shuffle: Draw a new permutation each epoch.
        seed: Seed of the permutations.
        drop_last: Leave an incomplete last batch out (when shuffling only).
        balance_by: Label of every sample of the dataset, (N,): an epoch then shows every class equally often.
        same_order: Repeat the first epoch's permutation in every epoch: the first batches are always the same.
        rank: This process's number, 0 to `world_size` - 1.
        world_size: Number of processes that share the work.

    Raises:
        DataError: There is nothing to iterate over, or `batch_size` cannot be shared among the ranks.
    """

    def __init__(
        self,
        tensors: Batch,
        indices: Tensor,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        balance_by: Tensor | None = None,
        same_order: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if batch_size < 1:
            raise DataError(f"batch_size: {batch_size} is less than 1")
        if len(indices) < world_size:
            raise DataError(f"{len(indices)} samples cannot be shared among {world_size} devices")
        if shuffle and batch_size % world_size:
            raise DataError(f"batch_size: {batch_size} does not divide by the {world_size} devices that share it")
        if shuffle and drop_last and len(indices) < batch_size:
            raise DataError(f"drop_last leaves no batch: {len(indices)} samples are less than one of {batch_size}")
        self.tensors = tensors
        self.indices = indices
        self.batch_size = batch_size if shuffle else min(batch_size, len(indices) // world_size)
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last and shuffle
        self.balance_by = balance_by
        self.same_order = same_order
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self.position = 0
        self._resume_at = 0

    batch_sampler = None  # Lightning looks for one beside `sampler`

    @property
    def sampler(self) -> "InMemoryLoader | Unshuffled":
        """The object whose `set_epoch` a trainer calls, and whose type tells it whether the order changes."""
        return self if self.shuffle and not self.same_order else Unshuffled(self)

    def set_epoch(self, epoch: int) -> None:
        """Choose the permutation of the next pass; a place reached in another epoch is forgotten."""
        if epoch != self.epoch:
            self._resume_at = 0
        self.epoch = epoch

    def permutation(self) -> Tensor:
        """Return this epoch's order of `indices`, shape (n,)."""
        if not self.shuffle:
            return self.indices
        epoch = 0 if self.same_order else self.epoch
        entropy = np.random.SeedSequence([self.seed, epoch]).generate_state(1, np.uint64)[0]
        generator = torch.Generator().manual_seed(int(entropy) % 2**63)
        if self.balance_by is not None:
            return self.indices[balanced_order(self.balance_by[self.indices], generator)]
        return self.indices[torch.randperm(len(self.indices), generator=generator)]

    def __len__(self) -> int:
        """Return the number of batches this rank yields in a pass."""
        full, rest = divmod(len(self.indices), self.batch_size)
        if self.shuffle:
            return max(full + (rest >= 2 * self.world_size and not self.drop_last), 1)
        batches = full + (rest > 0)
        return batches // self.world_size + (self.rank < batches % self.world_size)

    def __iter__(self) -> Iterator[Batch]:
        # A generator: the order is drawn when the first batch is asked for, after the trainer has set the epoch.
        self.position, self._resume_at = self._resume_at, 0
        batches = self._shares if self.shuffle else self._deal
        for chosen in batches():
            self.position += 1
            chosen = chosen.to(self.tensors[0].device)
            yield tuple(tensor.index_select(0, chosen) for tensor in self.tensors)

    def _shares(self) -> Iterator[Tensor]:
        order, last = self.permutation(), len(self) - 1
        for number in range(self.position, len(self)):
            end = None if number == last and not self.drop_last else (number + 1) * self.batch_size
            batch = order[number * self.batch_size : end]
            share = len(batch) // self.world_size
            yield batch[self.rank * share : (self.rank + 1) * share]

    def _deal(self) -> Iterator[Tensor]:
        for number in range(self.position, len(self)):
            start = (number * self.world_size + self.rank) * self.batch_size
            yield self.indices[start : start + self.batch_size]

    def state_dict(self) -> dict[str, Any]:
        """Return the place reached: epoch, and number of batches yielded in it."""
        return {"epoch": self.epoch, "position": self.position, "seed": self.seed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on, in the next pass, from the place that `state_dict` returned."""
        self.epoch, self.seed = state["epoch"], state["seed"]
        self._resume_at = state["position"]


class Unshuffled(SequentialSampler):
    """What Lightning knows an order by that is the same in every epoch; it is never iterated over."""

    def __init__(self, loader: InMemoryLoader) -> None:
        super().__init__(loader.indices)
        self.set_epoch = loader.set_epoch
