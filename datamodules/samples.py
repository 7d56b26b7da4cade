"""All samples of a dataset, as a datamodule loads them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from datamodules.splitting.subsets import Indices

UNLABELLED = -100  # torch's own mark of what has no label


@dataclass(frozen=True)
class Samples:
    """All samples of a dataset.

    Attributes:
        inputs: (N, C, ...), uint8 or float32.
        targets: (N,), int64 class labels; (N, T), int64, where every step of a sequence has one, or `UNLABELLED`; or
            (N, outputs), float32, where they are continuous.
        official_test: Indices of the dataset's own test part, None where it has none.
        official_val: Indices of the dataset's own validation part, None where it has none.
        lengths: Number of true steps of each sequence, (N,), int64; None where there is nothing but true steps.
    """

    inputs: Tensor
    targets: Tensor
    official_test: Indices | None = None
    official_val: Indices | None = None
    lengths: Tensor | None = None

    def of_classes(self, classes: list[int]) -> "Samples":
        """Return the samples of some classes alone, numbered in the order given."""
        same = self.targets.unsqueeze(1) == torch.tensor(classes)
        kept = same.any(1).nonzero()[:, 0]
        places = kept.numpy()
        test, val = (
            None if official is None else np.flatnonzero(np.isin(places, official))
            for official in (self.official_test, self.official_val)
        )
        return Samples(
            self.inputs[kept],
            same[kept].int().argmax(1),
            test,
            val,
            None if self.lengths is None else self.lengths[kept],
        )
