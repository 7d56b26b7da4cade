"""scikit-learn's handwritten digits: 1,797 real images of 8×8 pixels, shipped inside scikit-learn."""

import torch
from typing_extensions import override

from datamodules.base import DataModule
from datamodules.samples import Samples


class Digits(DataModule):
    """UCI "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, 1998), as shipped with scikit-learn.

    1,797 grey images (1, 8, 8) with 17 levels, ten classes; no official test part. Needs no download.
    The arguments are `DataModule`'s.
    """

    class_names = tuple(str(digit) for digit in range(10))
    input_shape: tuple[int, ...] = (1, 8, 8)
    maximum = 16.0

    @override
    def load(self) -> Samples:
        from sklearn.datasets import load_digits  # takes half a second to import

        images, targets = load_digits(return_X_y=True)
        inputs = torch.from_numpy(images).to(torch.uint8).view(-1, 1, 8, 8)
        return Samples(inputs, torch.from_numpy(targets).to(torch.int64))
