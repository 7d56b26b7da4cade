"""RandAugment and TrivialAugment: operations drawn for each image, all equally likely."""

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.augmentation.affine import INTERPOLATIONS, Interpolation
from datamodules.augmentation.base import Augmentation
from datamodules.augmentation.operations import Drawn, apply_drawn, draw_operations, make_space
from datamodules.checks import check_at_least, check_between, check_choice

RAND_AUGMENT = make_space(shear=0.3, shift=150 / 331, unit="side", degrees=30, factor=0.9, bits=(8, 4))
TRIVIAL_AUGMENT = make_space(shear=0.99, shift=32, unit="pixel", degrees=135, factor=0.99, bits=(8, 2))


class RandAugment(Augmentation):
    """Applies a few operations of one strength to each image.

    Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search space", arXiv 1909.13719.
    The distribution is that of torchvision's `RandAugment`, drawn per sample.

    Args:
        num_ops: Operations per image, one after the other, 0 or more.
        magnitude: Their strength, in [0, `num_magnitude_bins` - 1].
        num_magnitude_bins: Number of strengths, 2 or more.
        interpolation: Interpolation of the operations that move pixels.
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: Interpolation = "nearest",
    ) -> None:
        super().__init__()
        check_at_least(self.name, 0, num_ops=num_ops)
        check_at_least(self.name, 2, num_magnitude_bins=num_magnitude_bins)
        check_between(self.name, 0, num_magnitude_bins - 1, magnitude=magnitude)
        check_choice(self.name, INTERPOLATIONS, interpolation=interpolation)
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation: Interpolation = interpolation

    def draw(self, images: Tensor) -> list[Drawn]:
        """Draw `num_ops` operations for each image."""
        bins = torch.full((len(images),), self.magnitude, device=images.device)
        return [draw_operations(images, RAND_AUGMENT, bins, self.num_magnitude_bins - 1) for _ in range(self.num_ops)]

    @override
    def forward(self, images: Tensor) -> Tensor:
        self.check_colors(images)
        for drawn in self.draw(images):
            images = apply_drawn(images, list(RAND_AUGMENT), drawn, self.interpolation)
        return images


class TrivialAugment(Augmentation):
    """Applies one operation of random strength to each image, from the wide range of strengths.

    Müller and Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation", ICCV 2021. The
    distribution is that of torchvision's `TrivialAugmentWide`, drawn per sample. Shifts reach 32 pixels whatever the
    image's size, so some leave smaller images black.

    Args:
        num_magnitude_bins: Number of strengths, 2 or more.
        interpolation: Interpolation of the operations that move pixels.
    """

    def __init__(self, num_magnitude_bins: int = 31, interpolation: Interpolation = "nearest") -> None:
        super().__init__()
        check_at_least(self.name, 2, num_magnitude_bins=num_magnitude_bins)
        check_choice(self.name, INTERPOLATIONS, interpolation=interpolation)
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation: Interpolation = interpolation

    def draw(self, images: Tensor) -> Drawn:
        """Draw an operation for each image, and its strength."""
        bins = torch.randint(self.num_magnitude_bins, (len(images),), device=images.device)
        return draw_operations(images, TRIVIAL_AUGMENT, bins, self.num_magnitude_bins - 1)

    @override
    def forward(self, images: Tensor) -> Tensor:
        self.check_colors(images)
        return apply_drawn(images, list(TRIVIAL_AUGMENT), self.draw(images), self.interpolation)
