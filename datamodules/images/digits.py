"""scikit-learn's handwritten digits: 1,797 real images of 8×8 pixels, shipped inside scikit-learn."""

import torch
from sklearn.datasets import load_digits

from datamodules.in_memory import InMemoryDataModule
from datamodules.samples import Samples


class Digits(InMemoryDataModule):
    """UCI "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, 1998), as scikit-learn embeds it.

    1,797 grey images (1, 8, 8) with 17 levels, ten classes; no test part of its own. Needs no download.
    The arguments are `InMemoryDataModule`'s.
    """

    class_names = tuple(str(digit) for digit in range(10))
    input_shape: tuple[int, ...] = (1, 8, 8)
    maximum = 16.0

    def load(self) -> Samples:  # noqa: D102
        images, targets = load_digits(return_X_y=True)
        inputs = torch.from_numpy(images).to(torch.uint8).view(-1, 1, 8, 8)
        return Samples(inputs, torch.from_numpy(targets).to(torch.int64))
