"""Samples that are byte-identical across parts: found by hashing, then reported, refused or dropped."""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from datamodules.errors import DataError
from datamodules.splitting.options import Duplicates
from datamodules.splitting.splits import Split
from datamodules.splitting.subsets import Indices

Digests = npt.NDArray[np.void]
DIGEST_BYTES = 16


def sample_digests(inputs: Tensor) -> Digests:
    """Return a 128-bit BLAKE2b digest of each sample's bytes, shape (N,).

    Args:
        inputs: Samples, shape (N, ...), any dtype.
    """
    return digest_each(inputs.contiguous().reshape(len(inputs), -1).numpy())


def digest_each(arrays: Iterable[npt.NDArray[Any]]) -> Digests:
    """Return a 128-bit BLAKE2b digest of each array's bytes, shape (N,)."""
    # An array is a buffer, though NumPy's types do not say so; to ask for its `data` would add a tenth to the time.
    digests = [hashlib.blake2b(array, digest_size=DIGEST_BYTES).digest() for array in arrays]  # type: ignore[arg-type]
    return np.frombuffer(b"".join(digests), dtype=f"V{DIGEST_BYTES}")


def find_duplicates(digests: Digests, split: Split) -> dict[str, Indices]:
    """Find samples that are byte-identical to one of another part.

    Returns:
        For "train/val", "train/test" and "val/test": the indices of the first part whose content is in the second.
    """
    parts = split.parts()
    pairs = (("train", "val"), ("train", "test"), ("val", "test"))
    if _all_differ(digests):
        return {f"{first}/{second}": np.empty(0, np.int64) for first, second in pairs}
    return {
        f"{first}/{second}": parts[first][np.isin(digests[parts[first]], digests[parts[second]])]
        for first, second in pairs
    }


def _all_differ(digests: Digests) -> bool:
    """Return whether all digests differ, and already in their first eight bytes, which can be compared as numbers."""
    heads = np.sort(np.ascontiguousarray(digests).view(np.uint64)[::2])
    return bool((heads[1:] != heads[:-1]).all())


def resolve_duplicates(digests: Digests, split: Split, action: Duplicates, source: str) -> Split:
    """Warn of duplicates across parts, refuse them, or drop them from the training part.

    A split that has kept them together ("group") has some only where the dataset's own parts do.

    Args:
        digests: Digest of each sample, (N,).
        split: The split.
        action: "warn", "raise", or "drop", which returns a training part without duplicates. Duplicates between
            validation and test stay, with a warning: other work is compared on those parts. "group" warns, too.
        source: Name of the dataset, for the message.

    Raises:
        DataError: There are duplicates and `action` is "raise".
    """
    duplicates = find_duplicates(digests, split)
    if action == "drop":
        dropped = np.concatenate([duplicates.pop("train/val"), duplicates.pop("train/test")])
        split = Split(np.setdiff1d(split.train, dropped), split.val, split.test)
    counts = [f"{len(indices)} of {pair.replace('/', ' in ')}" for pair, indices in duplicates.items() if len(indices)]
    if not counts:
        return split
    message = f"{source}: byte-identical samples across parts: {', '.join(counts)}"
    if action == "raise":
        raise DataError(f"{message} (split.duplicates: drop removes them from training)")
    advice = " (split.duplicates: drop removes them from training, group keeps them together, raise refuses)"
    rank_zero_warn(message + (advice if action == "warn" else ""))
    return split
