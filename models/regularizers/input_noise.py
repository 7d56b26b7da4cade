"""Noise and holes in the normalised inputs."""

from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.checks import check_at_least, check_coefficient
from models.errors import TrainingError
from models.regularizers.base import Regularizer
from models.regularizers.boxes import box_mask, draw_centres
from models.regularizers.input_checks import check_images, check_tensor


class InputNoise(Regularizer):
    """Adds Gaussian noise to the inputs (Bishop, "Training with Noise is Equivalent to Tikhonov Regularization", 1995).

    Args:
        std: Standard deviation of the noise, 0 or more; that of normalised inputs is about 1. (`Pretrained` normalises
            its inputs itself, so there the noise is added to images in [0, 1].)

    Raises:
        ValueError: `std` is out of range.
    """

    strength = "std"

    def __init__(self, std: float = 0.1) -> None:
        super().__init__()
        check_coefficient("InputNoise", std=std)
        self.std = std

    @override
    def check_batch(self, inputs: Any, of_steps: bool) -> None:
        check_tensor("InputNoise", inputs)

    @override
    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if self.std == 0:
            return inputs, targets
        return inputs + self.std * torch.randn_like(inputs), targets


def cut_out(images: Tensor, centres: Tensor, size: int) -> Tensor:
    """Set a square of each image to 0, the mean of normalised images (DeVries & Taylor, arXiv 1708.04552).

    Args:
        images: (N, C, H, W), float, normalised.
        centres: Position of the square's centre as fractions of height and width, (N, 2), float in [0, 1).
        size: Edge of the square in pixels; the part outside the image is clipped.
    """
    sizes = torch.full((len(images), 2), size, device=images.device, dtype=torch.int32)
    return images.masked_fill(box_mask(centres, sizes, *images.shape[-2:]).unsqueeze(1), 0)


class Cutout(Regularizer):
    """Sets a square of each training image to 0, the mean colour of normalised images.

    `Pretrained` normalises its inputs itself, so there the square is black.

    Args:
        size: Edge of the square in pixels, 0 or more; the paper's is 16 for CIFAR-10, 8 for CIFAR-100.

    Raises:
        ValueError: `size` is below 0.
    """

    def __init__(self, size: int = 16) -> None:
        super().__init__()
        check_at_least("Cutout", 0, size=size)
        self.size = size

    @override
    def check_batch(self, inputs: Any, of_steps: bool) -> None:
        check_images("Cutout", inputs)
        height, width = inputs.shape[-2:]
        if self.size > min(height, width):
            raise TrainingError(f"Cutout: size {self.size} would hide whole images of {height}×{width}; lower it")

    @override
    def perturb(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if self.size == 0:
            return inputs, targets
        return cut_out(inputs, draw_centres(inputs), self.size), targets
