"""What stands between the data's images and a pretrained backbone: the size, channels and scale of its weights."""

import warnings
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Interpolation = Literal["bilinear", "bicubic"]
Resize = Literal["weights"] | int | None
TOLERANCE = 1e-3


class Preprocessing(nn.Module):
    """Resizes and normalises images in [0, 1] on their device; a grey image becomes as many equal channels as needed.

    Mean and standard deviation are buffers, so that a checkpoint carries them.

    Args:
        mean: Mean of each channel of what the weights were trained on; 0 leaves it alone.
        std: Standard deviation of each channel, likewise; 1 leaves it alone.
        size: Height and width to resize to (the whole image: nothing is cropped); None leaves it alone.
        interpolation: How to resize, antialiased in any case.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, mean: list[float], std: list[float], size: int | None = None, interpolation: Interpolation = "bilinear"
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))
        self.size = size
        self.interpolation = interpolation

    def extra_repr(self) -> str:
        """Return what the buffers do not say."""
        return f"size={self.size}, interpolation={self.interpolation}"

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, 1 or C, H, W) to (N, C, size, size)."""
        if self.size is not None and images.shape[-2:] != (self.size, self.size):
            images = F.interpolate(images, (self.size, self.size), mode=self.interpolation, antialias=True)
        shape = (1, -1) + (1,) * (images.ndim - 2)
        return (images - self.mean.view(shape)) / self.std.view(shape)

    def changes_scale(self) -> bool:
        """Return whether it normalises."""
        return bool((self.mean != 0).any() or (self.std != 1).any())


def check_normalization(network: nn.Module, datamodule: Any) -> None:
    """Warn where data are normalised twice: by their own statistics, and by those of a network's weights.

    Args:
        network: The network; only one with a `preprocessing` is of interest.
        datamodule: The data; only those with a `normalization` are.
    """
    preprocessing, given = getattr(network, "preprocessing", None), getattr(datamodule, "normalization", None)
    if given is None or not isinstance(preprocessing, Preprocessing) or not preprocessing.changes_scale():
        return
    if any(abs(value) > TOLERANCE for value in given.mean) or any(abs(value - 1) > TOLERANCE for value in given.std):
        warnings.warn(
            "data.mean and data.std: the network normalises by its weights' own statistics, and the data are "
            "normalised before that; leave them in [0, 1]: --data.mean [0.0] --data.std [1.0]",
            stacklevel=2,
        )
