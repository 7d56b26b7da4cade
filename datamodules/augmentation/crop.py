"""A random part of each image, enlarged to the size of the image."""

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.augmentation.base import Augmentation, Range
from datamodules.augmentation.rectangles import Rectangles, draw_sides, place_first
from datamodules.checks import check_positive_interval


def crop_and_resize(images: Tensor, crops: Rectangles) -> Tensor:
    """Enlarge a rectangle of each image, bilinearly, to the size of the image.

    Args:
        images: (N, C, H, W), float.
        crops: A rectangle inside each image, at least one pixel wide and high.
    """
    tall = _stretch(images, crops.top, crops.height)
    return _stretch(tall.mT, crops.left, crops.width).mT.contiguous()


def _stretch(images: Tensor, start: Tensor, length: Tensor) -> Tensor:
    """Enlarge some rows of each image to as many as it has; whole rows are copied, and none is changed if all stay."""
    count, channels, height, width = images.shape
    steps = torch.arange(height, device=images.device) + 0.5
    places = (steps * (length / height).unsqueeze(1) - 0.5).clamp(min=0)
    lower = places.floor()
    upper = torch.minimum(lower + 1, length.unsqueeze(1) - 1)
    above = torch.arange(count * channels, device=images.device).view(count, channels, 1) * height
    rows = images.reshape(-1, width)
    first, second = (
        rows.index_select(0, (above + (start.unsqueeze(1) + index).long().unsqueeze(1)).flatten()).view(images.shape)
        for index in (lower, upper)
    )
    share = (places - lower).to(images.dtype).view(count, 1, height, 1)
    return second.sub_(first).mul_(share).add_(first)  # several times as fast as lerp of a share for each row


class RandomResizedCrop(Augmentation):
    """Cuts a rectangle of random size and shape out of each image and enlarges it to the image's size.

    Szegedy et al., "Going Deeper with Convolutions", CVPR 2015. The distribution is that of torchvision's
    `RandomResizedCrop` with the images' own size, drawn per sample.

    Args:
        scale: Bounds of the rectangle's fraction of the area, in (0, 1]. torchvision's default lower bound, 0.08, is
            meant for photographs and cuts too much off small images.
        ratio: Bounds of its width divided by its height.
    """

    def __init__(self, scale: Range = (0.08, 1.0), ratio: Range = (3 / 4, 4 / 3)) -> None:
        super().__init__()
        check_positive_interval(self.name, 1, scale=scale)
        check_positive_interval(self.name, ratio=ratio)
        self.scale = scale
        self.ratio = ratio

    def draw(self, images: Tensor) -> Rectangles:
        """Draw a rectangle for each image; if ten attempts exceed the image, take the largest in its middle."""
        height, width = images.shape[-2:]
        widths, heights = draw_sides(len(images), height * width, self.scale, self.ratio, images.device)
        fits = (widths >= 1) & (widths <= width) & (heights >= 1) & (heights <= height)
        nearest = min(max(width / height, self.ratio[0]), self.ratio[1])
        largest = min(height, round(width / nearest)), min(width, round(height * nearest))
        return place_first(heights, widths, fits, (height, width), largest)

    @override
    def forward(self, images: Tensor) -> Tensor:
        self.check_images(images)
        return crop_and_resize(images, self.draw(images))
