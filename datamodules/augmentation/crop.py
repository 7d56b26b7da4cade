"""A part of each image, enlarged to the whole."""

import math

import torch
from torch import Tensor

from datamodules.augmentation.base import Augmentation, Pair
from datamodules.augmentation.rectangles import Rectangles, draw_sides, place_first


def crop_and_resize(images: Tensor, crops: Rectangles) -> Tensor:
    """Enlarge a rectangle of each image, bilinearly, to the size of the image.

    Args:
        images: (N, C, H, W), float.
        crops: A rectangle inside each image, one pixel or more each way.
    """
    tall = _stretch(images, crops.top, crops.height, 2)
    return _stretch(tall, crops.left, crops.width, 3)


def _stretch(images: Tensor, start: Tensor, length: Tensor, dim: int) -> Tensor:
    # By gathering, not by grid_sample: a whole image then stays as it is, to the bit.
    size = images.shape[dim]
    shape = [-1, 1, 1, 1]
    shape[dim] = size
    steps = torch.arange(size, device=images.device) + 0.5
    places = (steps * (length / size).unsqueeze(1) - 0.5).clamp(min=0)
    lower = places.floor()
    upper = torch.minimum(lower + 1, length.unsqueeze(1) - 1)
    first, second = (
        images.take_along_dim((start.unsqueeze(1) + index).long().view(shape), dim) for index in (lower, upper)
    )
    return first.lerp(second, (places - lower).to(images.dtype).view(shape))


class RandomResizedCrop(Augmentation):
    """Cuts a rectangle of random size and shape out of each image and enlarges it to the image's size.

    As torchvision's `RandomResizedCrop` with the images' own size draws it, for each sample; Szegedy et al., "Going
    Deeper with Convolutions", CVPR 2015.

    Args:
        scale: Bounds of the rectangle's share of the area, in (0, 1]. torchvision's default lower bound, 0.08, is meant
            for photographs; small images lose too much by it.
        ratio: Bounds of its width divided by its height.
    """

    def __init__(self, scale: Pair = (0.08, 1.0), ratio: Pair = (3 / 4, 4 / 3)) -> None:
        super().__init__()
        self.require_range("scale", scale, 0, 1)
        self.require(scale[0] > 0, f"scale {list(scale)} starts at nothing")
        self.require_range("ratio", ratio, 0, math.inf)
        self.require(ratio[0] > 0 and ratio[1] < math.inf, f"ratio {list(ratio)} has a side of no length")
        self.scale = scale
        self.ratio = ratio

    def draw(self, images: Tensor) -> Rectangles:
        """Draw a rectangle for each image; where ten attempts reach over its edge, the largest in its middle."""
        height, width = images.shape[-2:]
        widths, heights = draw_sides(len(images), height * width, self.scale, self.ratio, images.device)
        fits = (widths >= 1) & (widths <= width) & (heights >= 1) & (heights <= height)
        nearest = min(max(width / height, self.ratio[0]), self.ratio[1])
        largest = min(height, round(width / nearest)), min(width, round(height * nearest))
        return place_first(heights, widths, fits, (height, width), largest)

    def forward(self, images: Tensor) -> Tensor:  # noqa: D102
        self.check_images(images)
        return crop_and_resize(images, self.draw(images))
