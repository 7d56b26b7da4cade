"""Brightness, contrast, saturation, hue and sharpness of images, each by a factor of its own."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv
from typing_extensions import override

from datamodules.augmentation.base import Augmentation, Operation, Range, apply_chosen
from datamodules.checks import check_between, check_fraction, check_interval


def blend(images: Tensor, others: Tensor, factors: Tensor) -> Tensor:
    """Return factor · image + (1 - factor) · other, clamped to [0, 1].

    Args:
        images: (N, C, H, W), float in [0, 1].
        others: Of a shape that broadcasts to that of `images`.
        factors: (N,), 0 or more; above 1 moves away from `others`.
    """
    factors = factors.view(-1, 1, 1, 1)
    return (factors * images + (1 - factors) * others).clamp(0, 1)


def adjust_brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Blend each grey or RGB image with black, by factors (N,)."""
    return (images * factors.view(-1, 1, 1, 1)).clamp(0, 1)


def adjust_contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Blend each grey or RGB image with its mean grey, by factors (N,)."""
    return blend(images, tv.rgb_to_grayscale(images).mean((1, 2, 3), keepdim=True), factors)


def adjust_saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Blend each RGB image with its grey version, by factors (N,); grey images stay as they are."""
    return images if images.shape[1] == 1 else blend(images, tv.rgb_to_grayscale(images), factors)


def adjust_sharpness(images: Tensor, factors: Tensor) -> Tensor:
    """Blend each grey or RGB image with its smoothed version, by factors (N,)."""
    return blend(images, tv.adjust_sharpness(images, 0.0), factors)


def adjust_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Rotate the hue of each RGB image; grey images stay as they are.

    Args:
        images: (N, C, H, W), float in [0, 1].
        turns: In [-0.5, 0.5], (N,); 1 would be a whole turn.
    """
    if images.shape[1] == 1:
        return images
    red, green, blue = images.unbind(1)
    value, chroma = images.amax(1), images.amax(1) - images.amin(1)
    divisor = torch.where(chroma == 0, 1, chroma)  # the hue of grey has no effect
    from_green, from_blue = (blue - red) / divisor + 2, (red - green) / divisor + 4
    hue = torch.where(value == red, (green - blue) / divisor, torch.where(value == green, from_green, from_blue))
    sixths = hue + 6 * turns.view(-1, 1, 1)
    # Back to RGB: how far a channel lies below value depends on how far its own hue is away (Smith's hexcone).
    offsets = torch.tensor([5, 3, 1], device=images.device).view(3, 1, 1)
    away = (sixths.unsqueeze(1) + offsets) % 6
    return value.unsqueeze(1) - chroma.unsqueeze(1) * torch.minimum(away, 4 - away).clamp(0, 1)


ADJUSTMENTS: dict[str, Operation] = {
    "brightness": adjust_brightness,
    "contrast": adjust_contrast,
    "saturation": adjust_saturation,
    "hue": adjust_hue,
}


def jitter(images: Tensor, adjustments: Sequence[Operation], order: Tensor, factors: Tensor) -> Tensor:
    """Apply all adjustments to each image, in an order and by factors of its own.

    Args:
        images: (N, C, H, W), float in [0, 1].
        adjustments: k of the functions above.
        order: Their indices, first to last, (N, k), int64.
        factors: Factor of each adjustment, in their own order, (N, k).
    """
    for chosen in order.unbind(1):
        images = apply_chosen(images, adjustments, chosen, factors.gather(1, chosen.unsqueeze(1)).squeeze(1))
    return images


class ColorJitter(Augmentation):
    """Changes brightness, contrast, saturation and hue of each image, in random order, by factors of its own.

    The distribution is that of torchvision's `ColorJitter`, drawn per sample.

    Args:
        brightness: Bounds of the factor, 0 or more; one number b stands for (max(0, 1 - b), 1 + b).
        contrast: Bounds of the factor, the same way.
        saturation: Bounds of the factor, the same way.
        hue: Bounds of the turn, in [-0.5, 0.5]; one number h stands for (-h, h).
    """

    def __init__(
        self,
        brightness: float | Range = 0.0,
        contrast: float | Range = 0.0,
        saturation: float | Range = 0.0,
        hue: float | Range = 0.0,
    ) -> None:
        super().__init__()
        bounds = {
            "brightness": self._bounds("brightness", brightness),
            "contrast": self._bounds("contrast", contrast),
            "saturation": self._bounds("saturation", saturation),
            "hue": self._bounds("hue", hue, centre=0.0, lowest=-0.5, highest=0.5),
        }
        off = {"brightness": (1, 1), "contrast": (1, 1), "saturation": (1, 1), "hue": (0, 0)}
        self.bounds = {name: given for name, given in bounds.items() if given != off[name]}

    def _bounds(
        self, argument: str, given: float | Range, centre: float = 1.0, lowest: float = 0.0, highest: float = 1e6
    ) -> Range:
        if isinstance(given, int | float):
            check_between(self.name, 0, highest, **{argument: given})
            return max(lowest, centre - given), centre + given
        check_interval(self.name, lowest, highest, **{argument: given})
        return given[0], given[1]

    def draw(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Draw order and factors of the active adjustments, as `jitter` takes them."""
        count, device = len(images), images.device
        order = torch.rand(count, len(self.bounds), device=device).argsort(1)
        factors = [torch.empty(count, device=device).uniform_(*bounds) for bounds in self.bounds.values()]
        return order, torch.stack(factors, 1)

    @override
    def forward(self, images: Tensor) -> Tensor:
        self.check_colors(images)
        if not self.bounds:
            return images
        return jitter(images, [ADJUSTMENTS[name] for name in self.bounds], *self.draw(images))


class RandomGrayscale(Augmentation):
    """Turns each image grey with a probability; it keeps its number of channels.

    Args:
        probability: In [0, 1].
    """

    def __init__(self, probability: float = 0.1) -> None:
        super().__init__()
        check_fraction(self.name, probability=probability)
        self.probability = probability

    @override
    def forward(self, images: Tensor) -> Tensor:
        self.check_colors(images)
        if self.probability == 0:
            return images
        chosen = torch.rand(len(images), device=images.device) < self.probability
        return torch.where(chosen.view(-1, 1, 1, 1), tv.rgb_to_grayscale(images), images)
