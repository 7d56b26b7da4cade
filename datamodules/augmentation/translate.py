"""Images shifted by whole pixels."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from datamodules.augmentation.base import Augmentation
from datamodules.checks import check_at_least, check_choice
from datamodules.errors import DataError

PaddingMode = Literal["constant", "reflect", "replicate"]


def translate(images: Tensor, down: Tensor, right: Tensor, padding: int, mode: PaddingMode = "constant") -> Tensor:
    """Shift each image by its own whole number of pixels and fill the gap.

    Args:
        images: (N, C, H, W), float.
        down: Rows to shift each image down by, (N,), int64 in [-padding, padding].
        right: Columns to shift each image right by, (N,), int64 in [-padding, padding].
        padding: The largest shift, 1 or more.
        mode: Content of the gap: zeros, the mirrored image, or its edge.
    """
    height, width = images.shape[-2:]
    if mode == "reflect" and padding >= min(height, width):
        raise DataError(f"RandomTranslate: padding {padding} cannot be reflected from images of {height}×{width}")
    padded = F.pad(images, (padding,) * 4, mode=mode)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # (N, C, 2p + 1, 2p + 1, H, W), a view
    samples = torch.arange(len(images), device=images.device)
    return windows[samples, :, padding - down, padding - right]


class RandomTranslate(Augmentation):
    """Shifts each image by up to `padding` pixels in each direction: the usual "random crop with padding".

    Args:
        padding: The largest shift, 1 or more.
        mode: Content of the gap: zeros, the mirrored image, or its edge.
    """

    def __init__(self, padding: int = 4, mode: PaddingMode = "constant") -> None:
        super().__init__()
        check_at_least(self.name, 1, padding=padding)
        check_choice(self.name, get_args(PaddingMode), mode=mode)
        self.padding = padding
        self.mode: PaddingMode = mode

    @override
    def forward(self, images: Tensor) -> Tensor:
        self.check_images(images)
        shifts = torch.randint(-self.padding, self.padding + 1, (2, len(images)), device=images.device)
        return translate(images, shifts[0], shifts[1], self.padding, self.mode)
