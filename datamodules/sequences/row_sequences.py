"""Images read row by row, as sequences: what recurrent networks are shown on without any other data."""

from collections.abc import Callable

from torch import Tensor

from datamodules.images.digits import Digits
from datamodules.images.mnist import MNIST, FashionMNIST
from datamodules.in_memory import InMemoryDataModule


class RowSequences(InMemoryDataModule):
    """Gives the images of another dataset as sequences of their rows: (C, H, W) as H steps of C · W features.

    Put it before the dataset's class among the bases, and state `input_shape` (H, C · W). Images are augmented and
    normalised as images, by one mean and standard deviation a channel.
    """

    def transform(self, inputs: Tensor, augment: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Turn raw images (N, C, H, W) into what a network is given, (N, H, C · W)."""
        return super().transform(inputs, augment).transpose(1, 2).flatten(2)


class DigitRows(RowSequences, Digits):
    """`Digits` row by row: 8 steps of 8 pixels."""

    input_shape = (8, 8)


class MNISTRows(RowSequences, MNIST):
    """`MNIST` row by row: 28 steps of 28 pixels."""

    input_shape = (28, 28)


class FashionMNISTRows(RowSequences, FashionMNIST):
    """`FashionMNIST` row by row: 28 steps of 28 pixels; flipped left to right while training, as its images are."""

    input_shape = (28, 28)
