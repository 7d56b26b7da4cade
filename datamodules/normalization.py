"""Normalisation of inputs, channel by channel, with statistics of the training part alone."""

from dataclasses import dataclass

import torch
from torch import Tensor

from datamodules.errors import DataError

CHUNK = 2**24  # values measured at a time


@dataclass(frozen=True)
class Normalization:
    """Subtracts `mean` and divides by `std`.

    Attributes:
        mean: One value a channel, or one for all channels; of inputs scaled to [0, 1].
        std: Likewise; above 0.
    """

    mean: list[float]
    std: list[float]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not all(value > 0 for value in self.std):
            raise DataError(f"mean {self.mean} and std {self.std} must be as long as each other, and std above 0")

    def apply(self, inputs: Tensor, axis: int = 1) -> Tensor:
        """Return normalised inputs, float32, whose channels lie along `axis`: (N, C, ...)."""
        mean, std = self._like(inputs, axis)
        return (inputs - mean).div_(std)

    def invert(self, inputs: Tensor, axis: int = 1) -> Tensor:
        """Return inputs, whose channels lie along `axis`, as they were before `apply`."""
        mean, std = self._like(inputs, axis)
        return inputs * std + mean

    def _like(self, inputs: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        shape = [1] * inputs.ndim
        shape[axis] = -1
        mean = torch.tensor(self.mean, device=inputs.device).view(shape)
        return mean, torch.tensor(self.std, device=inputs.device).view(shape)


def channel_statistics(inputs: Tensor, maximum: float, indices: Tensor | None = None) -> Normalization:
    """Return mean and standard deviation of each channel of `inputs` divided by `maximum`.

    Args:
        inputs: (N, C, ...), uint8 or float32; they may be more than memory has room for twice.
        maximum: What to divide by first.
        indices: Which samples to measure, (n,), int64; all of them by default.

    Returns:
        Statistics over all samples and positions; a constant channel gets the standard deviation 1.
    """
    dimensions = [0, *range(2, inputs.ndim)]
    total = torch.zeros(inputs.shape[1], dtype=torch.float64)
    squares = torch.zeros_like(total)
    chosen = torch.arange(len(inputs)) if indices is None else indices
    for few in torch.split(chosen, max(CHUNK // max(inputs[0].numel(), 1), 1)):
        chunk = inputs.index_select(0, few)
        values = chunk.to(torch.float32) if chunk.dtype == torch.uint8 else chunk.to(torch.float64)
        total += values.sum(dimensions, dtype=torch.float64)
        squares += values.square().sum(dimensions, dtype=torch.float64)
    count = len(chosen) * inputs[0].numel() / inputs.shape[1]
    mean = total / count
    std = (squares / count - mean.square()).clamp_min(0).sqrt()
    std = torch.where(std > 1e-6 * mean.abs().clamp_min(1e-6), std, torch.full_like(std, maximum))
    return Normalization((mean / maximum).tolist(), (std / maximum).tolist())
