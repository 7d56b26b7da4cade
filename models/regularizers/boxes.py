"""Boxes in images, one per image."""

import torch
from torch import Tensor


def draw_centres(images: Tensor) -> Tensor:
    """Draw a uniform position in each image, as fractions of its height and width.

    Args:
        images: (N, C, H, W).

    Returns:
        (N, 2), float32 in [0, 1).
    """
    return torch.rand(len(images), 2, device=images.device, dtype=torch.float32)


def box_mask(centres: Tensor, size: Tensor, height: int, width: int) -> Tensor:
    """Return a mask of each image's box; the part of a box outside the image is clipped.

    Args:
        centres: Position of the centre as fractions of height and width, (N, 2), float in [0, 1). The pixel there is
            the middle of the box, or the first one after it.
        size: Height and width of each box in pixels, (N, 2), int.
        height: Height of the images.
        width: Width of the images.

    Returns:
        (N, height, width), bool.
    """
    middle = (centres * torch.tensor([height, width], device=centres.device)).int()
    start = middle - size // 2
    rows, columns = (torch.arange(length, device=centres.device) for length in (height, width))
    down = (rows >= start[:, :1]) & (rows < (start + size)[:, :1])
    along = (columns >= start[:, 1:]) & (columns < (start + size)[:, 1:])
    return down.unsqueeze(2) & along.unsqueeze(1)
