"""Augmentation of whole batches, one random draw a sample, on the batch's own device.

A torchvision v2 transform called on a batch draws one random number for all of it; these draw one for each sample.
A method is first a pure function of images and draws; its class holds the settings and makes the draws.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.errors import DataError

PaddingMode = Literal["constant", "reflect", "replicate"]


class Augmentation(nn.Module):
    """Base class: `forward` takes images (N, C, H, W), float in [0, 1], and returns new ones of the same shape."""

    def forward(self, images: Tensor) -> Tensor:
        """Return augmented images; `images` itself is left as it is."""
        raise NotImplementedError

    def require_images(self, images: Tensor) -> None:
        """Check that these are images (N, C, H, W).

        Raises:
            DataError: They are rows of a table, sequences or the like.
        """
        if images.ndim != 4:
            raise DataError(f"augmentation: {type(self).__name__} takes images, not samples {tuple(images.shape[1:])}")


def flip_horizontally(images: Tensor, chosen: Tensor) -> Tensor:
    """Mirror the chosen images left to right.

    Args:
        images: (N, C, H, W), any dtype.
        chosen: (N,), bool.
    """
    return torch.where(chosen.view(-1, 1, 1, 1), images.flip(-1), images)


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


class HorizontalFlip(Augmentation):
    """Mirrors each image left to right with a probability.

    Args:
        probability: In [0, 1].
    """

    def __init__(self, probability: float = 0.5) -> None:
        super().__init__()
        if not 0 <= probability <= 1:
            raise DataError(f"HorizontalFlip: probability {probability} is not in [0, 1]")
        self.probability = probability

    def forward(self, images: Tensor) -> Tensor:  # noqa: D102
        self.require_images(images)
        return flip_horizontally(images, torch.rand(len(images), device=images.device) < self.probability)


class RandomTranslate(Augmentation):
    """Shifts each image by up to `padding` pixels each way: the usual "random crop with padding".

    Args:
        padding: The largest shift, 1 or more.
        mode: What comes into view: zeros, the mirrored image, or its edge.
    """

    def __init__(self, padding: int = 4, mode: PaddingMode = "constant") -> None:
        super().__init__()
        if padding < 1:
            raise DataError(f"RandomTranslate: padding {padding} is less than 1")
        self.padding = padding
        self.mode: PaddingMode = mode

    def forward(self, images: Tensor) -> Tensor:  # noqa: D102
        self.require_images(images)
        shifts = torch.randint(-self.padding, self.padding + 1, (2, len(images)), device=images.device)
        return translate(images, shifts[0], shifts[1], self.padding, self.mode)
