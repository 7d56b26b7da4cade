"""Transform of the data's images into the inputs that a pretrained backbone expects: size, channels, scale."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

Interpolation = Literal["bilinear", "bicubic"]
Resize = Literal["weights"] | int | None


class InputTransform(nn.Module):
    """Resizes and normalises images on their device; a grey image becomes as many equal channels as are needed.

    Mean and standard deviation are buffers, so that a checkpoint carries them.

    Args:
        mean: Mean of each channel of the data that the weights were trained on; 0 does not shift.
        std: Standard deviation of each channel; 1 does not scale.
        size: Height and width to resize the whole image to (without cropping); None does not resize.
        interpolation: How to resize, always antialiased.
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

    @override
    def extra_repr(self) -> str:
        return f"size={self.size}, interpolation={self.interpolation}"

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, 1 or C, H, W) to (N, C, size, size)."""
        if self.size is not None and images.shape[-2:] != (self.size, self.size):
            images = F.interpolate(images, (self.size, self.size), mode=self.interpolation, antialias=True)
        shape = (1, -1) + (1,) * (images.ndim - 2)
        return (images - self.mean.view(shape)) / self.std.view(shape)
