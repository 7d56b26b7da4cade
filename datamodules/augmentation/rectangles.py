"""Rectangles of random area and shape, one per sample, to crop from images or to erase in them."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from datamodules.augmentation.base import Range

ATTEMPTS = 10  # as many as torchvision makes before it falls back


class Rectangles(NamedTuple):
    """A rectangle for each sample, in pixels: top and left edge, height and width, each (N,), float, whole numbers."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor


def draw_sides(count: int, area: int, scale: Range, ratio: Range, device: torch.device) -> tuple[Tensor, Tensor]:
    """Draw two sides of rectangles, `ATTEMPTS` times for each sample.

    Args:
        count: N.
        area: Area of the image, in pixels.
        scale: Bounds of the rectangle's fraction of it, which is uniform.
        ratio: Bounds of the first side divided by the second, whose logarithm is uniform.
        device: Where to draw.

    Returns:
        First and second side, (`ATTEMPTS`, N), whole numbers.
    """
    areas = area * torch.empty(ATTEMPTS, count, device=device).uniform_(*scale)
    ratios = torch.empty_like(areas).uniform_(math.log(ratio[0]), math.log(ratio[1])).exp()
    return (areas * ratios).sqrt().round(), (areas / ratios).sqrt().round()


def place_first(
    heights: Tensor, widths: Tensor, fits: Tensor, size: tuple[int, int], otherwise: tuple[int, int]
) -> Rectangles:
    """Take each sample's first attempt that fits and draw its place, uniform over all places inside the image.

    Args:
        heights: (attempts, N).
        widths: (attempts, N).
        fits: (attempts, N), bool.
        size: Height and width of the image.
        otherwise: Height and width of the rectangle, in the middle, where no attempt fits.
    """
    first = fits.int().argmax(0, keepdim=True)
    found = fits.any(0)
    sides, starts = [], []
    for drawn, whole, default in zip((heights, widths), size, otherwise, strict=True):
        side = torch.where(found, drawn.gather(0, first)[0], default)
        start = (torch.rand_like(side) * (whole - side + 1)).floor()
        sides.append(side)
        starts.append(torch.where(found, start, (whole - default) // 2))
    return Rectangles(*starts, *sides)
