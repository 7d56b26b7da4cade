"""Images read row by row, as sequences: the usual demonstration of recurrent networks."""

from typing import Any

from typing_extensions import override

from datamodules.base import DataModule
from datamodules.images.digits import Digits
from datamodules.images.mnist import MNIST, FashionMNIST


class RowSequences(DataModule):
    """Tells the task to read another dataset's images (C, H, W) as sequences of H rows with C · W features.

    Put it before the dataset's class among the bases, and state `input_shape` (H, C · W). Batches hold images; they are
    augmented, and normalised per channel, as images before the task turns them into rows.
    """

    @property
    @override
    def preprocessing(self) -> dict[str, Any]:
        return super().preprocessing | {"rows": True}


class DigitRows(RowSequences, Digits):
    """`Digits` row by row: 8 steps of 8 pixels."""

    input_shape = (8, 8)


class MNISTRows(RowSequences, MNIST):
    """`MNIST` row by row: 28 steps of 28 pixels."""

    input_shape = (28, 28)


class FashionMNISTRows(RowSequences, FashionMNIST):
    """`FashionMNIST` row by row: 28 steps of 28 pixels; flipped left to right while training, like `FashionMNIST`."""

    input_shape = (28, 28)
