"""Test-time augmentation: several views of each image, over which a network's outputs are averaged."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.augmentation.translate import translate
from datamodules.checks import check_at_least
from datamodules.errors import DataError

View = tuple[float, Tensor]  # weight in the mean, images (N, C, H, W)


class Views(ABC):
    """Base class of test-time augmentation, which shows the network several views of each image.

    The mean of the outputs of all views is the prediction. Nothing is drawn at random.
    """

    @abstractmethod
    def of(self, images: Tensor) -> list[View]:
        """Return views of images (N, C, H, W), float in [0, 1], with weights that add up to 1."""

    @property
    @abstractmethod
    def description(self) -> str:
        """Return a description of the views, for people."""

    def check_images(self, inputs: object) -> None:
        """Check that inputs are images (N, C, H, W).

        Raises:
            DataError: They are rows of a table, sequences or the like.
        """
        if not isinstance(inputs, Tensor):
            raise DataError(f"test_time_augmentation: {type(self).__name__} takes images, not sequences")
        if inputs.ndim != 4:
            shape = tuple(inputs.shape[1:])
            raise DataError(f"test_time_augmentation: {type(self).__name__} takes images, not samples {shape}")


class FlipViews(Views):
    """Each image and its mirror image, left to right."""

    @override
    def of(self, images: Tensor) -> list[View]:
        return [(0.5, images), (0.5, images.flip(-1))]

    @property
    @override
    def description(self) -> str:
        return "FlipViews (2 views: the image and its mirror image)"


class ShiftViews(Views):
    """Each image, and the image shifted up and left, and down and right; of each its mirror image too.

    The image itself counts as much as both shifted ones, and what a shift uncovers is the mirrored border (Jordan, "94%
    on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv 2404.00498).

    Args:
        pixels: The shift, 1 or more.
        flip: Show the mirror images too.
    """

    def __init__(self, pixels: int = 1, flip: bool = True) -> None:
        check_at_least(type(self).__name__, 1, pixels=pixels)
        self.pixels = pixels
        self.flip = flip

    @override
    def of(self, images: Tensor) -> list[View]:
        if self.pixels >= min(images.shape[-2:]):
            raise DataError(f"ShiftViews: pixels {self.pixels} is too much for images {tuple(images.shape[-2:])}")
        shifted = [(0.25, self._shifted(images, by)) for by in (-self.pixels, self.pixels)]
        views = [(0.5, images), *shifted]
        if not self.flip:
            return views
        return [(weight / 2, side) for weight, view in views for side in (view, view.flip(-1))]

    def _shifted(self, images: Tensor, by: int) -> Tensor:
        shift = torch.full((len(images),), by, device=images.device)
        return translate(images, shift, shift, self.pixels, "reflect")

    @property
    @override
    def description(self) -> str:
        mirrored = ", and the mirror image of each" if self.flip else ""
        count = 6 if self.flip else 3
        return f"ShiftViews ({count} views: the image, shifted by {self.pixels} pixels{mirrored})"
