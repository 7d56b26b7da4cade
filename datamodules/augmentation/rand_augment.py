"""RandAugment and TrivialAugment: operations drawn for each image, all equally likely."""

import torch
from torch import Tensor

from datamodules.augmentation.affine import INTERPOLATIONS, Interpolation
from datamodules.augmentation.base import Augmentation
from datamodules.augmentation.operations import Drawn, apply_drawn, draw_operations, make_space

RAND_AUGMENT = make_space(shear=0.3, shift=150 / 331, unit="side", degrees=30, factor=0.9, bits=(8, 4))
WIDE = make_space(shear=0.99, shift=32, unit="pixel", degrees=135, factor=0.99, bits=(8, 2))


class RandAugment(Augmentation):
    """Applies a few operations of one strength to each image.

    As torchvision's `RandAugment` draws it, for each sample (Cubuk et al., "RandAugment: Practical automated data
    augmentation with a reduced search space", arXiv 1909.13719).

    Args:
        num_ops: Operations an image, one after the other, 0 or more.
        magnitude: Their strength, in [0, `num_magnitude_bins` - 1].
        num_magnitude_bins: Number of strengths, 2 or more.
        interpolation: Of those that move pixels.
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: Interpolation = "nearest",
    ) -> None:
        super().__init__()
        self.require(num_ops >= 0, f"num_ops {num_ops} is less than 0")
        self.require(num_magnitude_bins >= 2, f"num_magnitude_bins {num_magnitude_bins} is less than 2")
        self.require(
            0 <= magnitude < num_magnitude_bins, f"magnitude {magnitude} is not in [0, {num_magnitude_bins - 1}]"
        )
        self.require_choice("interpolation", interpolation, INTERPOLATIONS)
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation: Interpolation = interpolation

    def draw(self, images: Tensor) -> list[Drawn]:
        """Draw `num_ops` operations for each image."""
        bins = torch.full((len(images),), self.magnitude, device=images.device)
        return [draw_operations(images, RAND_AUGMENT, bins, self.num_magnitude_bins - 1) for _ in range(self.num_ops)]

    def forward(self, images: Tensor) -> Tensor:  # noqa: D102
        self.require_colors(images)
        for drawn in self.draw(images):
            images = apply_drawn(images, list(RAND_AUGMENT), drawn, self.interpolation)
        return images


class TrivialAugment(Augmentation):
    """Applies one operation of random strength to each image, from the wide range of strengths.

    As torchvision's `TrivialAugmentWide` draws it, for each sample (Müller and Hutter, "TrivialAugment: Tuning-free Yet
    State-of-the-Art Data Augmentation", ICCV 2021). Shifts reach 32 pixels whatever the image's size, so that they
    empty some of smaller images.

    Args:
        num_magnitude_bins: Number of strengths, 2 or more.
        interpolation: Of the operations that move pixels.
    """

    def __init__(self, num_magnitude_bins: int = 31, interpolation: Interpolation = "nearest") -> None:
        super().__init__()
        self.require(num_magnitude_bins >= 2, f"num_magnitude_bins {num_magnitude_bins} is less than 2")
        self.require_choice("interpolation", interpolation, INTERPOLATIONS)
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation: Interpolation = interpolation

    def draw(self, images: Tensor) -> Drawn:
        """Draw an operation for each image, and its strength."""
        bins = torch.randint(self.num_magnitude_bins, (len(images),), device=images.device)
        return draw_operations(images, WIDE, bins, self.num_magnitude_bins - 1)

    def forward(self, images: Tensor) -> Tensor:  # noqa: D102
        self.require_colors(images)
        return apply_drawn(images, list(WIDE), self.draw(images), self.interpolation)
