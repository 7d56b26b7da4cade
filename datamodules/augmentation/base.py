"""Base class of augmentations: they take whole batches, draw once per sample, and run on the batch's device.

A torchvision v2 transform called on a batch draws one random number for the whole batch; these draw one per sample.
Each method is a pure function of images and draws; its class holds the settings and makes the draws.

Why not kornia: it draws per sample too, but is slower (`scripts/benchmark.py --suite input_pipeline`), its pixels are
not torchvision's, and its RandAugment and TrivialAugment draw one operation for the whole batch.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn

from datamodules.errors import DataError

Operation = Callable[[Tensor, Tensor], Tensor]  # takes images (n, C, H, W) and one strength per image (n,)
Range = tuple[float, float]
Step = TypeVar("Step")


class Augmentation(nn.Module):
    """Base class: `forward` takes images (N, C, H, W), float in [0, 1], and returns images of the same shape and type.

    Attributes:
        epoch: The training epoch, from 0; the data module sets it before each training batch.
        moves_pixels: Whether it only moves pixels, or sets some to 0, so that it takes bytes, uint8, as well, which are
            moved in a fraction of the time.
        needs_originals: Whether it identifies images by their pixels, so that nothing may change them before.
    """

    epoch: int = 0
    moves_pixels: ClassVar[bool] = False
    needs_originals: ClassVar[bool] = False

    def forward(self, images: Tensor) -> Tensor:
        """Return augmented images; `images` itself stays unchanged."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """Name of the class, for messages."""
        return type(self).__name__

    def check_images(self, images: Tensor) -> None:
        """Check that these are images (N, C, H, W).

        Raises:
            DataError: They are rows of a table, sequences or the like.
        """
        if images.ndim != 4:
            raise DataError(f"augmentation: {self.name} takes images, not samples {tuple(images.shape[1:])}")

    def check_colors(self, images: Tensor) -> None:
        """Check that these are grey or RGB images.

        Raises:
            DataError: They are not images, or have another number of channels.
        """
        self.check_images(images)
        if images.shape[1] not in (1, 3):
            raise DataError(f"{self.name}: takes images of 1 or 3 channels (grey or RGB), not {images.shape[1]}")


def with_default(steps: Sequence[Step | None] | Step | None, default: Callable[[], Sequence[Step]]) -> list[Step]:
    """Return steps with the default ones where None stands for them.

    Where a step is appended to an argument that is not set (`augmentation+`), the command line puts None before it.

    Args:
        steps: The steps, or a single one; None, as a whole or as an item, is the default.
        default: Makes the default steps.
    """
    filled: list[Step] = []
    for step in steps if isinstance(steps, Sequence) else [steps]:
        filled += default() if step is None else [step]
    return filled


def apply_chosen(images: Tensor, operations: Sequence[Operation], chosen: Tensor, strengths: Tensor) -> Tensor:
    """Apply to each image the operation chosen for it, in one call for all images that share it.

    Args:
        images: (N, C, H, W), float.
        operations: Operations to choose from.
        chosen: Index of each image's operation, (N,), int64.
        strengths: Second argument of each image's operation, (N,), float.
    """
    result = torch.empty_like(images)
    counts = chosen.bincount(minlength=len(operations)).tolist()
    order = chosen.argsort(stable=True)
    sorted_by_operation = (torch.split(values.index_select(0, order), counts) for values in (images, strengths))
    for operation, where, *given in zip(operations, torch.split(order, counts), *sorted_by_operation, strict=True):
        if len(where):
            result.index_copy_(0, where, operation(*given))
    return result
