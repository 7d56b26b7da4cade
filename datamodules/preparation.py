"""What happens to a batch on its device: it is scaled to [0, 1] and, for training, augmented and resized."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.errors import DataError


def scaled(inputs: Tensor, maximum: float) -> Tensor:
    """Return inputs divided by `maximum`, float32, or float64 if they are; token ids, int64, as they are."""
    if inputs.dtype == torch.int64:
        return inputs
    if inputs.is_floating_point():
        return inputs.to(torch.promote_types(inputs.dtype, torch.float32)) / maximum
    return inputs.to(torch.float32).div_(maximum)


def augmented(inputs: Tensor, steps: Iterable[nn.Module], epoch: int, maximum: float) -> Tensor:
    """Return inputs augmented and scaled; bytes become floats before the first step that needs floats.

    Args:
        inputs: Inputs of a training batch, (N, ...), not scaled.
        steps: Augmentations, in order.
        epoch: The training epoch, from 0.
        maximum: Largest value of an input.
    """
    of_bytes = inputs.dtype == torch.uint8
    inputs = inputs if of_bytes else scaled(inputs, maximum)
    for step in steps:
        step.epoch = epoch  # type: ignore[assignment]
        if of_bytes and not getattr(step, "moves_pixels", False):
            inputs, of_bytes = scaled(inputs, maximum), False
        inputs = step(inputs)
    return scaled(inputs, maximum) if of_bytes else inputs


def resized(images: Tensor, share: float) -> Tensor:
    """Return images (N, C, H, W) resized to a share of their height and width, antialiased.

    Raises:
        DataError: They are not images.
    """
    if images.ndim != 4:
        raise DataError(f"only images can be resized, not samples {tuple(images.shape[1:])}")
    size = [max(round(side * share), 1) for side in images.shape[-2:]]
    return F.interpolate(images, size, mode="bilinear", antialias=True)


def supported(values: Tensor, device: torch.device) -> Tensor:
    """Return values in a precision that a device has: Apple's GPUs have no double precision."""
    return values.float() if device.type == "mps" and values.dtype == torch.float64 else values
