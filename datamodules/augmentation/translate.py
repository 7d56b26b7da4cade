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
        images: (N, C, H, W), float or uint8.
        down: Rows to shift each image down by, (N,), int64 in [-padding, padding].
        right: Columns to shift each image right by, (N,), int64 in [-padding, padding].
        padding: The largest shift, 1 or more.
        mode: Content of the gap: zeros, the mirrored image, or its edge.
    """
    height, width = images.shape[-2:]
    if mode == "reflect" and padding >= min(height, width):
        raise DataError(f"RandomTranslate: padding {padding} cannot be reflected from images of {height}×{width}")
    padded = pad(images, padding, mode).contiguous()
    first = padding - down, padding - right  # row and column of each window in its padded image
    steps = [
        torch.arange(size, device=images.device) * stride
        for size, stride in zip(images.shape, padded.stride(), strict=True)
    ]
    starts = steps[0] + first[0] * padded.stride(2) + first[1]
    rows = starts.view(-1, 1, 1) + steps[1].view(-1, 1) + steps[2]
    # Every run of `width` pixels is a row of this view: each row of a window is copied as a whole.
    runs = padded.as_strided((max(padded.numel() - width + 1, 0), width), (1, 1))
    return runs.index_select(0, rows.flatten()).view(images.shape)


def pad(images: Tensor, padding: int, mode: PaddingMode) -> Tensor:
    """Return images with `padding` more pixels on each side; see `translate`."""
    if images.dtype != torch.uint8 or mode == "constant":
        return F.pad(images, (padding,) * 4, mode=mode)
    for axis in (-1, -2):  # torch has these modes for floats alone
        last = images.shape[axis] - 1
        if mode == "reflect":
            edges = [images.narrow(axis, start, padding).flip(axis) for start in (1, last - padding)]
        else:
            edges = [images.narrow(axis, start, 1).repeat_interleave(padding, axis) for start in (0, last)]
        images = torch.cat((edges[0], images, edges[1]), axis)
    return images


class RandomTranslate(Augmentation):
    """Shifts each image by up to `padding` pixels in each direction: the usual "random crop with padding".

    Args:
        padding: The largest shift, 1 or more.
        mode: Content of the gap: zeros, the mirrored image, or its edge.
    """

    moves_pixels = True

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
