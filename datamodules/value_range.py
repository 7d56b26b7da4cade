"""Whether the values of a training part can be learnt from, and fit what its datamodule states about them."""

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from datamodules.errors import DataError
from datamodules.samples import Samples, Stream

MAX_SEEN, MAX_STREAMED = 1000, 64  # samples looked at; streamed ones must be decoded
SMALL_PART = 8  # values below the maximum divided by this use a suspiciously small part of the range
CHUNK = 1000


def check_values(owner: str, samples: Samples, train: Tensor, maximum: float) -> None:
    """Check that training samples differ; warn of images whose values do not fit the stated maximum.

    Args:
        owner: Name of the datamodule.
        samples: All samples.
        train: Those of the training part, (n,), int64.
        maximum: Largest value that the datamodule states.

    Raises:
        DataError: All training samples are equal.
    """
    inputs = samples.inputs
    most = MAX_STREAMED if isinstance(inputs, Stream) else MAX_SEEN
    some = train[:: max(-(-len(train) // most), 1)]
    seen = inputs.sample(some) if isinstance(inputs, Stream) else inputs[some]
    if len(seen) > 1 and not _differ(seen, seen[0]) and not _others_differ(samples, train):
        values = f"all values are {seen[0].flatten()[0]:g}" if not _differ(seen, seen.flatten()[0]) else "no two differ"
        raise DataError(f"{owner}: all {len(train):,} training samples are equal ({values}): there is nothing to learn")
    if seen.ndim == 4 and seen.numel():
        _check_maximum(owner, float(seen.min()), float(seen.max()), maximum)


def _differ(values: Tensor, value: Tensor) -> bool:
    return bool((values != value).any())


def _others_differ(samples: Samples, train: Tensor) -> bool:
    """Return whether training samples that were not looked at differ, or their lengths."""
    inputs, lengths = samples.inputs, samples.lengths
    if lengths is not None and _differ(lengths[train], lengths[train[0]]):
        return True
    if isinstance(inputs, Stream):
        return False
    return any(_differ(inputs[chunk], inputs[train[0]]) for chunk in torch.split(train, CHUNK))


def _check_maximum(owner: str, lowest: float, highest: float, maximum: float) -> None:
    if lowest >= 0 and maximum / SMALL_PART <= highest <= maximum * (1 + 1e-6):
        return
    likely = next((value for value in (1.0, 255.0, 65535.0) if highest <= value), highest)
    rank_zero_warn(
        f"{owner}: values of training images go from {lowest:g} to {highest:g}, which does not fit maximum "
        f"{maximum:g}: augmentations expect values divided by it in [0, 1]"
        + (f"; a class of your own states maximum = {likely:g}" if lowest >= 0 else "; load raw values, unnormalised")
    )
