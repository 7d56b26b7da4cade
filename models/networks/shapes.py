"""Shapes that networks infer from the shape of their input."""

import copy
import math

import torch
from torch import nn


def check_image(network: str, input_shape: tuple[int, ...], smallest: int) -> None:
    """Check that a network's input is an image.

    Args:
        network: Name of the network, for the message.
        input_shape: Shape of one sample.
        smallest: Smallest height and width, in pixels.

    Raises:
        ValueError: The shape is not (C, H, W), or the image is too small.
    """
    if len(input_shape) != 3 or min(input_shape[1:]) < smallest:
        raise ValueError(
            f"{network}: input_shape {tuple(input_shape)} is not (C, H, W) with at least {smallest}×{smallest} pixels"
        )


def count_features(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Return the number of features that a module makes of one sample, by a pass on the meta device."""
    dry = copy.deepcopy(module).to("meta").eval()
    with torch.no_grad():
        return math.prod(dry(torch.empty(1, *input_shape, device="meta")).shape[1:])
