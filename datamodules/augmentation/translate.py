"""Images shifted by whole pixels."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules.augmentation.base import Augmentation
from datamodules.errors import DataError

PaddingMode = Literal["constant", "reflect", "replicate"]


def translate(images: Tensor, down: Tensor, right: Tensor, padding: int, mode: PaddingMode = "constant") -> Tensor:
    """Shift each image by its own whole number of pixels and fill what comes into view.

    Args:
        images: (N, C, H, W), float.
        down: Rows to shift each image down by, (N,), int64 in [-padding, padding].
        right: Columns to shift each image right by, (N,), int64 in [-padding, padding].
        padding: The largest shift, 1 or more.
        mode: What comes into view: zeros, the mirrored image, or its edge.
    """
    height, width = images.shape[-2:]
    if mode == "reflect" and padding >= min(height, width):
        raise DataError(f"RandomTranslate: padding {padding} reflects more than images of {height}×{width} hold")
    padded = F.pad(images, (padding,) * 4, mode=mode)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # (N, C, 2p + 1, 2p + 1, H, W), a view
    samples = torch.arange(len(images), device=images.device)
    return windows[samples, :, padding - down, padding - right]


class RandomTranslate(Augmentation):
    """Shifts each image by up to `padding` pixels each way: the usual "random crop with padding".

    Args:
        padding: The largest shift, 1 or more.
        mode: What comes into view: zeros, the mirrored image, or its edge.
    """

    def __init__(self, padding: int = 4, mode: PaddingMode = "constant") -> None:
        super().__init__()
        self.require(padding >= 1, f"padding {padding} is less than 1")
        self.require_choice("mode", mode, get_args(PaddingMode))
        self.padding = padding
        self.mode: PaddingMode = mode

    def forward(self, images: Tensor) -> Tensor:  # noqa: D102
        self.check_images(images)
        shifts = torch.randint(-self.padding, self.padding + 1, (2, len(images)), device=images.device)
        return translate(images, shifts[0], shifts[1], self.padding, self.mode)
