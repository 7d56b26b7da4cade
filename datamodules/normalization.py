"""Statistics of inputs for their normalisation, channel by channel, measured on the training part alone."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from datamodules.errors import DataError

CHUNK = 2**24  # values measured at a time
MOST_THREADS = 4


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of inputs that are scaled to [0, 1].

    Attributes:
        mean: One value per channel, or one for all channels.
        std: The same for the standard deviation; above 0.
    """

    mean: list[float]
    std: list[float]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not all(value > 0 for value in self.std):
            raise DataError(f"mean {self.mean} and std {self.std} must have the same length, and std must be above 0")


def channel_statistics(inputs: Tensor, maximum: float, indices: Tensor | None = None) -> Normalization:
    """Return mean and standard deviation of each channel of `inputs` divided by `maximum`.

    Args:
        inputs: (N, C, ...), uint8, float32 or float64; may be too large to copy.
        maximum: Divisor of the inputs.
        indices: Samples to measure, (n,), int64; all by default.

    Returns:
        Statistics over all samples and positions; a constant channel gets the standard deviation 1. Those of float64
        are exact however large the mean is beside the deviation.
    """
    if inputs.dtype == torch.float64:
        return _exact_statistics(inputs if indices is None else inputs.index_select(0, indices), maximum)
    chosen = torch.arange(len(inputs)) if indices is None else indices
    of_bytes = inputs.dtype == torch.uint8
    sums, most = (_sums_of_bytes, MOST_THREADS) if of_bytes else (_sums, 1)
    chunks = torch.split(chosen, max(CHUNK // most // max(inputs[0].numel(), 1), 1))
    with ThreadPoolExecutor(min(torch.get_num_threads(), most)) as pool:  # bytes are counted by one thread each
        found = pool.map(lambda chunk: sums(inputs.index_select(0, chunk)), chunks)
        total, squares = sum(found, torch.zeros(2, inputs.shape[1], dtype=torch.float64))
    count = len(chosen) * inputs[0].numel() / inputs.shape[1]
    mean = total / count
    std = (squares / count - mean.square()).clamp_min(0).sqrt()
    std = torch.where(std > 1e-6 * mean.abs().clamp_min(1e-6), std, torch.full_like(std, maximum))
    return Normalization((mean / maximum).tolist(), (std / maximum).tolist())


def _sums(values: Tensor) -> Tensor:
    """Return each channel's sum and sum of squares, (2, C)."""
    dimensions, exact = [0, *range(2, values.ndim)], values.to(torch.float64)
    return torch.stack([exact.sum(dimensions), exact.square().sum(dimensions)])


def _sums_of_bytes(values: Tensor) -> Tensor:
    """Return what `_sums` does, exactly, by counting each of the 256 values: an eighth of the time."""
    counts = [torch.bincount(channel.flatten(), minlength=256) for channel in values.unbind(1)]
    each = torch.stack(counts).double()
    numbers = torch.arange(256, dtype=torch.float64)
    return torch.stack([each @ numbers, each @ numbers.square()])


def _exact_statistics(inputs: Tensor, maximum: float) -> Normalization:
    # A sum of squares would cancel: the squares of Unix times are 1e18, their variance may be 100.
    values = inputs.transpose(0, 1).flatten(1)
    std = values.std(1, correction=0)
    varies = values.amax(1) > values.amin(1)
    std = torch.where(varies, std, torch.full_like(std, maximum))
    if not bool(std.isfinite().all()):
        raise DataError(f"the values reach {values.abs().max():.6g}, too far to be standardised: rescale them")
    return Normalization((values.mean(1) / maximum).tolist(), (std / maximum).tolist())


def stated_normalization(mean: list[float] | None, std: list[float] | None) -> Normalization | None:
    """Return the normalisation that a user states, or None if it is to be measured.

    Raises:
        DataError: Only one of the two is given, or they do not fit.
    """
    if mean is None and std is None:
        return None
    if mean is None or std is None:
        raise DataError("mean and std: give both or neither")
    return Normalization(mean, std)


def target_statistics(targets: Tensor) -> Normalization:
    """Return mean and standard deviation of each continuous target; 1 for a constant one.

    Args:
        targets: (n, outputs); or those of steps, (n, T, outputs), NaN where a step has none.
    """
    values = targets.double().flatten(0, -2)
    values = values[~values.isnan().any(-1)] if targets.ndim > 2 else values
    mean, std = values.mean(0), values.std(0, correction=0)
    varies = std > 8 * torch.finfo(std.dtype).eps * mean.abs()  # the mean of equal values may be rounded
    return Normalization(mean.tolist(), torch.where(varies, std, torch.ones_like(std)).tolist())
