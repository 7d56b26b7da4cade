"""What augmentations share: whole batches, one random draw a sample, on the batch's own device.

A torchvision v2 transform called on a batch draws one random number for all of it; these draw one for each sample.
A method is first a pure function of images and draws; its class holds the settings and makes the draws.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from datamodules.errors import DataError

Operation = Callable[[Tensor, Tensor], Tensor]  # of images (n, C, H, W) and a strength each (n,)
Pair = tuple[float, float]


class Augmentation(nn.Module):
    """Base class: `forward` takes images (N, C, H, W), float in [0, 1], and returns others of the same shape."""

    def forward(self, images: Tensor) -> Tensor:
        """Return augmented images; `images` itself is left as it is."""
        raise NotImplementedError

    def observe(self, inputs: Tensor, epoch: int) -> None:
        """Take note of a training batch before anything is done to it; most have no need to.

        Args:
            inputs: The batch as the dataset holds it, (N, ...): neither scaled nor augmented.
            epoch: The epoch, from 0.
        """

    def require(self, holds: bool, otherwise: str) -> None:
        """Check a setting or a batch.

        Raises:
            DataError: It does not hold; the message is the class's name and `otherwise`.
        """
        if not holds:
            raise DataError(f"{type(self).__name__}: {otherwise}")

    def require_range(self, argument: str, given: Pair, lowest: float, highest: float) -> None:
        """Check that `given` is a smaller and a larger number within bounds.

        Raises:
            DataError: It is not.
        """
        holds = len(given) == 2 and lowest <= given[0] <= given[1] <= highest
        bounds = f"two numbers, the smaller one first, from {lowest:g} to {highest:g}"
        self.require(holds, f"{argument} {list(given)} is not {bounds}")

    def require_choice(self, argument: str, given: str, choices: tuple[str, ...]) -> None:
        """Check that `given` is one of the choices.

        Raises:
            DataError: It is not.
        """
        self.require(given in choices, f"{argument} {given!r} is none of {', '.join(choices)}")

    def check_images(self, images: Tensor) -> None:
        """Check that these are images (N, C, H, W).

        Raises:
            DataError: They are rows of a table, sequences or the like.
        """
        if images.ndim != 4:
            raise DataError(f"augmentation: {type(self).__name__} takes images, not samples {tuple(images.shape[1:])}")

    def require_colors(self, images: Tensor) -> None:
        """Check that these are images whose channels are grey, or red, green and blue.

        Raises:
            DataError: They are none, or have another number of channels.
        """
        self.check_images(images)
        self.require(images.shape[1] in (1, 3), f"takes images of 1 or 3 channels (grey or RGB), not {images.shape[1]}")


def apply_chosen(images: Tensor, operations: Sequence[Operation], chosen: Tensor, strengths: Tensor) -> Tensor:
    """Apply to each image the operation chosen for it, at once to all images that share it.

    Args:
        images: (N, C, H, W), float.
        operations: What there is to choose from.
        chosen: A number among them for each image, (N,), int64.
        strengths: What the operation is given beside the image, (N,), float.
    """
    result = torch.empty_like(images)
    counts = chosen.bincount(minlength=len(operations)).tolist()
    for operation, where in zip(operations, torch.split(chosen.argsort(stable=True), counts), strict=True):
        if len(where):
            result[where] = operation(images[where], strengths[where])
    return result
