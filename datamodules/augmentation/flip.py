"""Images mirrored left to right: at random, or in every second epoch."""

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.augmentation.base import Augmentation
from datamodules.checks import check_fraction


def flip_horizontally(images: Tensor, chosen: Tensor) -> Tensor:
    """Mirror the chosen images left to right.

    Args:
        images: (N, C, H, W), any dtype.
        chosen: (N,), bool.
    """
    mirrored = images.flip(-1)
    if images.dtype != torch.uint8:
        return torch.where(chosen.view(-1, 1, 1, 1), mirrored, images)
    places = torch.arange(len(images), device=images.device) + len(images) * chosen
    return torch.cat((images, mirrored)).index_select(0, places)  # of bytes a quarter of the time


def content_bit(images: Tensor, seed: int) -> Tensor:
    """Return a random bit of each image, determined by its pixels and the seed.

    Multiply-shift hashing (Dietzfelbinger, "Universal hashing and k-wise independent random variables via integer
    arithmetic without primes", 1996) of the pixels as bytes: the top bit of a sum of products with random 64-bit
    numbers. Each image's bit is set under half of all seeds, and the bits of different images are independent. Integer
    sums are the same on every device.

    Args:
        images: (N, C, H, W), uint8, or float in [0, 1].
        seed: Seed of the random numbers.

    Returns:
        (N,), bool.
    """
    pixels = (images if images.dtype == torch.uint8 else (images * 255).round()).flatten(1).long()
    generator = torch.Generator("cpu").manual_seed(seed)
    factors = torch.randint(-(2**63), 2**63 - 1, (pixels.shape[1] + 1,), generator=generator, device="cpu")
    factors = factors.to(images.device)
    return (pixels * factors[1:]).sum(1) + factors[0] < 0


class HorizontalFlip(Augmentation):
    """Mirrors each image left to right with a probability.

    Args:
        probability: In [0, 1].
    """

    moves_pixels = True

    def __init__(self, probability: float = 0.5) -> None:
        super().__init__()
        check_fraction(self.name, probability=probability)
        self.probability = probability

    @override
    def forward(self, images: Tensor) -> Tensor:
        self.check_images(images)
        if self.probability == 0:
            return images
        return flip_horizontally(images, torch.rand(len(images), device=images.device) < self.probability)


class AlternatingFlip(Augmentation):
    """Mirrors each image left to right in every second epoch: one half of the images in even epochs, the other in odd.

    Any two consecutive epochs show both sides of every image, where random flips show one side twice to half of them
    (Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv 2404.00498, section 3.6). An image is identified
    by its pixels, so neither its place in the epoch nor an interruption of the run matters; for that, this must be the
    first augmentation of the list. It draws no random numbers.

    Args:
        seed: Seed of the choice of the images that are mirrored in even epochs.
    """

    moves_pixels = True
    needs_originals = True

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    @override
    def forward(self, images: Tensor) -> Tensor:
        self.check_images(images)
        return flip_horizontally(images, content_bit(images, self.seed) ^ (self.epoch % 2 == 1))
