"""Images rotated, shifted, scaled and sheared."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from datamodules.augmentation.base import Augmentation, Range
from datamodules.checks import check_between, check_choice, check_interval, check_positive_interval

Interpolation = Literal["nearest", "bilinear"]
INTERPOLATIONS: tuple[str, ...] = get_args(Interpolation)


def matrices(*entries: Tensor) -> Tensor:
    """Return matrices (N, 2, 3) with these six entries, row by row, each (N,)."""
    return torch.stack(entries, -1).view(-1, 2, 3)


def warp(images: Tensor, places: Tensor, interpolation: Interpolation = "nearest") -> Tensor:
    """Sample each pixel from another place of its image, black outside.

    Args:
        images: (N, C, H, W), float.
        places: Matrices (N, 2, 3) that map (x, y, 1) of a pixel to (x, y) of that place, in pixels from the image's
            centre, x to the right, y down.
        interpolation: How to sample between pixels.
    """
    y, x = (torch.arange(size, device=images.device) - (size - 1) / 2 for size in images.shape[-2:])
    by_x, by_y, constant = places[..., None, None].unbind(2)
    # Sums instead of torch's affine_grid: its matrix product in TF32 would be off by tenths of a pixel.
    found = by_x * x + by_y * y.unsqueeze(1) + constant  # (N, 2, H, W)
    half = torch.tensor(images.shape[:1:-1], device=images.device) / 2
    grid = found.movedim(1, -1) / half
    return F.grid_sample(images, grid.to(images.dtype), interpolation, padding_mode="zeros", align_corners=False)


def affine(
    images: Tensor,
    angle: Tensor,
    shift: Tensor,
    scale: Tensor,
    shear: Tensor,
    interpolation: Interpolation = "nearest",
) -> Tensor:
    """Shear, scale and rotate each image about its centre, then shift it, as torchvision's `affine` does for one image.

    Args:
        images: (N, C, H, W), float.
        angle: Degrees, clockwise, (N,).
        shift: Pixels to the right and down, (N, 2).
        scale: (N,), positive.
        shear: Degrees along x and along y, (N, 2).
        interpolation: How to sample between pixels.
    """
    turn, (along_x, along_y) = angle.deg2rad(), shear.deg2rad().unbind(1)
    right, down = shift.unbind(1)
    a = (turn - along_y).cos() / along_y.cos()
    b = -a * along_x.tan() - turn.sin()
    c = (turn - along_y).sin() / along_y.cos()
    d = -c * along_x.tan() + turn.cos()
    a, b, c, d = (entry / scale for entry in (d, -b, -c, a))  # the inverse: the determinant was 1
    return warp(images, matrices(a, b, -a * right - b * down, c, d, -c * right - d * down), interpolation)


def rotate(images: Tensor, angle: Tensor, interpolation: Interpolation = "nearest") -> Tensor:
    """Rotate each image about its centre by its own angle (N,), in degrees, counter-clockwise."""
    nothing = torch.zeros(len(images), 2, device=images.device)
    return affine(images, -angle, nothing, torch.ones_like(angle), nothing, interpolation)


class RandomRotation(Augmentation):
    """Rotates each image about its centre by an angle of its own; empty corners are black.

    The distribution is that of torchvision's `RandomRotation`, drawn per sample.

    Args:
        degrees: Bounds of the angle, counter-clockwise; one number stands for (-degrees, degrees).
        interpolation: How to sample between pixels.
    """

    def __init__(self, degrees: float | Range, interpolation: Interpolation = "nearest") -> None:
        super().__init__()
        self.degrees = _symmetric(self, "degrees", degrees)
        check_choice(self.name, INTERPOLATIONS, interpolation=interpolation)
        self.interpolation: Interpolation = interpolation

    def draw(self, images: Tensor) -> Tensor:
        """Draw an angle for each image, in degrees, (N,)."""
        return torch.empty(len(images), device=images.device).uniform_(*self.degrees)

    @override
    def forward(self, images: Tensor) -> Tensor:
        self.check_images(images)
        if self.degrees == (0, 0):
            return images
        return rotate(images, self.draw(images), self.interpolation)


class RandomAffine(Augmentation):
    """Rotates, shifts, scales and shears each image by amounts of its own; gaps are black.

    The distribution is that of torchvision's `RandomAffine`, drawn per sample.

    Args:
        degrees: Bounds of the angle, clockwise; one number stands for (-degrees, degrees).
        translate: Largest shift, as fractions of width and height, each in [0, 1].
        scale: Bounds of the scale, positive.
        shear: Bounds of the shear along x, in degrees; one number stands for (-shear, shear).
        shear_y: Bounds of the shear along y, the same way (torchvision's third and fourth number of `shear`).
        interpolation: How to sample between pixels.
    """

    def __init__(
        self,
        degrees: float | Range,
        translate: Range = (0.0, 0.0),
        scale: Range = (1.0, 1.0),
        shear: float | Range = 0.0,
        shear_y: float | Range = 0.0,
        interpolation: Interpolation = "nearest",
    ) -> None:
        super().__init__()
        self.degrees = _symmetric(self, "degrees", degrees)
        if len(translate) != 2 or not all(0 <= fraction <= 1 for fraction in translate):
            raise ValueError(f"{self.name}: translate {list(translate)} is not two numbers in [0, 1]")
        check_positive_interval(self.name, scale=scale)
        check_choice(self.name, INTERPOLATIONS, interpolation=interpolation)
        self.translate = translate
        self.scale = scale
        self.shears = _symmetric(self, "shear", shear, 89), _symmetric(self, "shear_y", shear_y, 89)
        self.interpolation: Interpolation = interpolation
        changes = (*self.degrees, *self.shears[0], *self.shears[1], *translate, *(factor - 1 for factor in scale))
        self.off = not any(changes)

    def draw(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draw angle (N,), shift (N, 2), scale (N,) and shear (N, 2), as `affine` takes them."""
        count, device = len(images), images.device
        height, width = images.shape[-2:]
        most = torch.tensor(self.translate, device=device) * torch.tensor([width, height], device=device)
        angle = torch.empty(count, device=device).uniform_(*self.degrees)
        shift = (torch.empty(count, 2, device=device).uniform_(-1, 1) * most).round()
        scale = torch.empty(count, device=device).uniform_(*self.scale)
        shear = torch.stack([torch.empty(count, device=device).uniform_(*bounds) for bounds in self.shears], 1)
        return angle, shift, scale, shear

    @override
    def forward(self, images: Tensor) -> Tensor:
        self.check_images(images)
        return images if self.off else affine(images, *self.draw(images), self.interpolation)


def _symmetric(owner: Augmentation, argument: str, given: float | Range, most: float = 360) -> Range:
    if isinstance(given, int | float):
        check_between(owner.name, 0, most, **{argument: given})
        return -given, given
    check_interval(owner.name, -most, most, **{argument: given})
    return given[0], given[1]
