"""A random rectangle of each image, erased."""

from typing import Literal

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.augmentation.base import Augmentation, Range
from datamodules.augmentation.rectangles import Rectangles, draw_sides, place_first
from datamodules.checks import check_choice, check_fraction, check_interval, check_positive_interval
from datamodules.errors import DataError

FillValue = float | list[float] | Literal["random"]


def erase(images: Tensor, areas: Rectangles, values: Tensor) -> Tensor:
    """Fill a rectangle of each image with values.

    Args:
        images: (N, C, H, W), float.
        areas: A rectangle for each image; parts outside the image are ignored.
        values: On the same device, of a shape that broadcasts to that of `images`.
    """
    rows, columns = (torch.arange(size, device=images.device) for size in images.shape[-2:])
    top, left, height, width = (side.unsqueeze(1) for side in areas)
    across = (rows >= top) & (rows < top + height)
    along = (columns >= left) & (columns < left + width)
    inside = across[:, None, :, None] & along[:, None, None, :]
    return torch.where(inside, values.to(images.dtype), images)


class RandomErasing(Augmentation):
    """Erases a rectangle of random size, shape and place in each image, with a probability.

    Zhong et al., "Random Erasing Data Augmentation", AAAI 2020. The distribution is that of torchvision's
    `RandomErasing`, drawn per sample. Images are not normalised yet: 0 is black, and the paper's mean is one value per
    channel. "random" is noise uniform in [0, 1], as in the paper; torchvision's is normal. For squares of one size,
    hidden after normalisation, see `models.regularizers.Cutout`.

    Args:
        probability: In [0, 1].
        scale: Bounds of the rectangle's fraction of the area, in [0, 1].
        ratio: Bounds of its height divided by its width.
        value: Content of the rectangle: a number in [0, 1], one per channel, or "random".
    """

    def __init__(
        self, probability: float = 0.5, scale: Range = (0.02, 0.33), ratio: Range = (0.3, 3.3), value: FillValue = 0.0
    ) -> None:
        super().__init__()
        check_fraction(self.name, probability=probability)
        check_interval(self.name, 0, 1, scale=scale)
        check_positive_interval(self.name, ratio=ratio)
        if isinstance(value, str):
            check_choice(self.name, ("random",), value=value)
        if value == []:
            raise ValueError(f"{self.name}: value is an empty list; give one number, one per channel, or random")
        values = [] if isinstance(value, str) else value if isinstance(value, list) else [value]
        for level in values:
            check_fraction(self.name, value=level)
        self.probability = probability
        self.scale = scale
        self.ratio = ratio
        self.values = values

    def draw(self, images: Tensor) -> Rectangles:
        """Draw a rectangle for each image; its size is 0 if nothing is erased or none of ten attempts fits."""
        height, width = images.shape[-2:]
        heights, widths = draw_sides(len(images), height * width, self.scale, self.ratio, images.device)
        fits = (heights < height) & (widths < width)
        areas = place_first(heights, widths, fits, (height, width), (0, 0))
        chosen = torch.rand(len(images), device=images.device) < self.probability
        return areas._replace(height=areas.height * chosen, width=areas.width * chosen)

    @override
    def forward(self, images: Tensor) -> Tensor:
        self.check_images(images)
        if self.probability == 0:
            return images
        count, channels = len(self.values), images.shape[1]
        if count not in (0, 1, channels):
            raise DataError(f"{self.name}: value has {count} numbers for images of {channels} channels")
        areas = self.draw(images)
        if not self.values:
            return erase(images, areas, torch.rand_like(images))
        return erase(images, areas, torch.tensor(self.values, device=images.device).view(-1, 1, 1))
