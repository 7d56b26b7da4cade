"""A rectangle of each image, erased."""

import math
from typing import Literal

import torch
from torch import Tensor

from datamodules.augmentation.base import Augmentation, Pair
from datamodules.augmentation.rectangles import Rectangles, draw_sides, place_first

Value = float | list[float] | Literal["random"]


def erase(images: Tensor, areas: Rectangles, values: Tensor) -> Tensor:
    """Put values in the place of a rectangle of each image.

    Args:
        images: (N, C, H, W), float.
        areas: A rectangle for each image; what lies outside the image is left out.
        values: What is put there, on their device, in a shape that broadcasts to theirs.
    """
    rows, columns = (torch.arange(size, device=images.device) for size in images.shape[-2:])
    top, left, height, width = (side.unsqueeze(1) for side in areas)
    across = (rows >= top) & (rows < top + height)
    along = (columns >= left) & (columns < left + width)
    inside = across[:, None, :, None] & along[:, None, None, :]
    return torch.where(inside, values.to(images.dtype), images)


class RandomErasing(Augmentation):
    """Erases a rectangle of random size, shape and place in each image, with a probability.

    As torchvision's `RandomErasing` draws it, for each sample (Zhong et al., "Random Erasing Data Augmentation", AAAI
    2020). Images are not normalised yet: 0 is black, and the paper's mean is the channels' own. "random" is noise
    uniform in [0, 1], as in the paper; torchvision's is normal. `models.regularizers.Cutout` hides squares of one size,
    after normalisation.

    Args:
        probability: In [0, 1].
        scale: Bounds of the rectangle's share of the area, in [0, 1].
        ratio: Bounds of its height divided by its width.
        value: In its place: a number in [0, 1], one a channel, or "random".
    """

    def __init__(
        self, probability: float = 0.5, scale: Pair = (0.02, 0.33), ratio: Pair = (0.3, 3.3), value: Value = 0.0
    ) -> None:
        super().__init__()
        self.require(0 <= probability <= 1, f"probability {probability} is not in [0, 1]")
        self.require_range("scale", scale, 0, 1)
        self.require_range("ratio", ratio, 0, math.inf)
        self.require(ratio[0] > 0 and ratio[1] < math.inf, f"ratio {list(ratio)} has a side of no length")
        if isinstance(value, str):
            self.require_choice("value", value, ("random",))
        self.require(value != [], "value is an empty list; one number, one a channel, or random")
        values = [] if isinstance(value, str) else value if isinstance(value, list) else [value]
        self.require(all(0 <= level <= 1 for level in values), f"value {value} is not in [0, 1]")
        self.probability = probability
        self.scale = scale
        self.ratio = ratio
        self.values = values

    def draw(self, images: Tensor) -> Rectangles:
        """Draw a rectangle for each image: of no size where nothing is erased, or where ten attempts do not fit."""
        height, width = images.shape[-2:]
        heights, widths = draw_sides(len(images), height * width, self.scale, self.ratio, images.device)
        fits = (heights < height) & (widths < width)
        areas = place_first(heights, widths, fits, (height, width), (0, 0))
        chosen = torch.rand(len(images), device=images.device) < self.probability
        return areas._replace(height=areas.height * chosen, width=areas.width * chosen)

    def forward(self, images: Tensor) -> Tensor:  # noqa: D102
        self.check_images(images)
        if self.probability == 0:
            return images
        count, channels = len(self.values), images.shape[1]
        self.require(count in (0, 1, channels), f"value has {count} numbers for images of {channels} channels")
        areas = self.draw(images)
        if not self.values:
            return erase(images, areas, torch.rand_like(images))
        return erase(images, areas, torch.tensor(self.values, device=images.device).view(-1, 1, 1))
