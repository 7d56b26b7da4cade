"""The operations that RandAugment, TrivialAugment and AugMix choose from, and their strengths.

They are torchvision's. Images stay floats between two operations, where torchvision rounds to bytes after each; the
four that are defined on bytes (posterize, solarize, autocontrast, equalize) round their input.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from datamodules.augmentation.affine import Interpolation, matrices, rotate, warp
from datamodules.augmentation.base import Operation, apply_chosen
from datamodules.augmentation.color import adjust_brightness, adjust_contrast, adjust_saturation, adjust_sharpness


class Strengths(NamedTuple):
    """Strengths of an operation, from the first bin to the last, in equal steps.

    A signed strength is negative half of the time; a shift may be in units of the image's height or width.
    """

    first: float = 0.0
    last: float = 0.0
    signed: bool = False
    unit: str = "1"


Space = dict[str, Strengths]


def make_space(shear: float, shift: float, degrees: float, factor: float, bits: tuple[int, int], unit: str) -> Space:
    """Return all operations, each with its strengths.

    Args:
        shear: Largest tangent of a shear.
        shift: Largest shift, in pixels or sides of the image.
        degrees: Largest rotation.
        factor: Largest departure of a colour factor from 1.
        bits: Bits per channel that the weakest and the strongest posterize keep.
        unit: Unit of `shift`, "pixel" or "side".
    """
    sides = ("width", "height") if unit == "side" else ("1", "1")
    return {
        "Identity": Strengths(),
        "ShearX": Strengths(0, shear, signed=True),
        "ShearY": Strengths(0, shear, signed=True),
        "TranslateX": Strengths(0, shift, signed=True, unit=sides[0]),
        "TranslateY": Strengths(0, shift, signed=True, unit=sides[1]),
        "Rotate": Strengths(0, degrees, signed=True),
        "Brightness": Strengths(0, factor, signed=True),
        "Color": Strengths(0, factor, signed=True),
        "Contrast": Strengths(0, factor, signed=True),
        "Sharpness": Strengths(0, factor, signed=True),
        "Posterize": Strengths(*bits),
        "Solarize": Strengths(1, 0),
        "AutoContrast": Strengths(),
        "Equalize": Strengths(),
    }


class Drawn(NamedTuple):
    """Index of the operation drawn for each image, and its strength; (N,) each."""

    chosen: Tensor
    strengths: Tensor


def draw_operations(images: Tensor, space: Space, bins: Tensor, last_bin: int) -> Drawn:
    """Draw an operation for each image, all equally likely, and the sign of its strength.

    Args:
        images: (N, C, H, W).
        space: The operations.
        bins: Bin of each image's strength, (N,), in [0, `last_bin`].
        last_bin: The bin of the largest strength, 1 or more.
    """
    count, device = len(images), images.device
    units = {"1": 1, "height": images.shape[2], "width": images.shape[3]}
    rows = [(row.first * units[row.unit], row.last * units[row.unit], float(row.signed)) for row in space.values()]
    chosen = torch.randint(len(space), (count,), device=device)
    first, last, signed = torch.tensor(rows, device=device)[chosen].unbind(1)
    strengths = first + (last - first) * bins / last_bin
    negative = (torch.rand(count, device=device) < 0.5) & signed.bool()
    return Drawn(chosen, torch.where(negative, -strengths, strengths))


def to_bytes(images: Tensor) -> Tensor:
    """Round float images in [0, 1] to bytes, uint8."""
    return (images * 255).round().to(torch.uint8)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the highest `bits` (N,) of the eight bits of each byte; 0 leaves black, 8 changes nothing."""
    steps = 2 ** (8 - bits.round().view(-1, 1, 1, 1))
    return (to_bytes(images) / steps).floor() * steps / 255


def solarize(images: Tensor, thresholds: Tensor) -> Tensor:
    """Invert bytes at or above a threshold, given as a fraction (N,) of 255."""
    levels = to_bytes(images)
    return torch.where(levels >= 255 * thresholds.view(-1, 1, 1, 1), 255 - levels, levels) / 255


def autocontrast(images: Tensor) -> Tensor:
    """Stretch each channel of each image, as bytes, from black to white."""
    levels: Tensor = tv.autocontrast(to_bytes(images))
    return levels / 255


def equalize(images: Tensor) -> Tensor:
    """Spread the bytes of each channel of each image evenly."""
    levels: Tensor = tv.equalize(to_bytes(images))
    return levels / 255


def _shear_x(images: Tensor, tangents: Tensor) -> Tensor:
    zero, one = torch.zeros_like(tangents), torch.ones_like(tangents)
    return matrices(one, tangents, tangents * images.shape[2] / 2, zero, one, zero)  # the top edge stays where it is


def _shear_y(images: Tensor, tangents: Tensor) -> Tensor:
    zero, one = torch.zeros_like(tangents), torch.ones_like(tangents)
    return matrices(one, zero, zero, tangents, one, tangents * images.shape[3] / 2)


def _shift_x(pixels: Tensor) -> Tensor:
    zero, one = torch.zeros_like(pixels), torch.ones_like(pixels)
    return matrices(one, zero, -pixels.trunc(), zero, one, zero)


def _shift_y(pixels: Tensor) -> Tensor:
    zero, one = torch.zeros_like(pixels), torch.ones_like(pixels)
    return matrices(one, zero, zero, zero, one, -pixels.trunc())


MOVES: dict[str, Callable[..., Tensor]] = {
    "ShearX": lambda images, tangents, interpolation: warp(images, _shear_x(images, tangents), interpolation),
    "ShearY": lambda images, tangents, interpolation: warp(images, _shear_y(images, tangents), interpolation),
    "TranslateX": lambda images, pixels, interpolation: warp(images, _shift_x(pixels), interpolation),
    "TranslateY": lambda images, pixels, interpolation: warp(images, _shift_y(pixels), interpolation),
    "Rotate": rotate,
}
OPERATIONS: dict[str, Operation] = {
    "Identity": lambda images, _: images,
    "Brightness": lambda images, change: adjust_brightness(images, 1 + change),
    "Color": lambda images, change: adjust_saturation(images, 1 + change),
    "Contrast": lambda images, change: adjust_contrast(images, 1 + change),
    "Sharpness": lambda images, change: adjust_sharpness(images, 1 + change),
    "Posterize": posterize,
    "Solarize": solarize,
    "AutoContrast": lambda images, _: autocontrast(images),
    "Equalize": lambda images, _: equalize(images),
}


def apply_drawn(images: Tensor, names: Sequence[str], drawn: Drawn, interpolation: Interpolation) -> Tensor:
    """Apply to each image the operation drawn for it.

    Args:
        images: (N, C, H, W), float in [0, 1], C 1 or 3.
        names: Names, in `MOVES` or `OPERATIONS`, that `drawn.chosen` indexes.
        drawn: Operation and strength of each image.
        interpolation: Interpolation of the operations that move pixels.
    """
    operations = [
        partial(MOVES[name], interpolation=interpolation) if name in MOVES else OPERATIONS[name] for name in names
    ]
    return apply_chosen(images, operations, *drawn)
