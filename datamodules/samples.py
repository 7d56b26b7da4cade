"""All samples of a dataset, as a datamodule loads them."""

from dataclasses import dataclass

from torch import Tensor

from datamodules.subsets import Indices


@dataclass(frozen=True)
class Samples:
    """All samples of a dataset.

    Attributes:
        inputs: (N, C, ...), uint8 or float32.
        targets: (N,), int64 class labels; or (N, outputs), float32, where they are continuous.
        official_test: Indices of the dataset's own test part, None where it has none.
        official_val: Indices of the dataset's own validation part, None where it has none.
    """

    inputs: Tensor
    targets: Tensor
    official_test: Indices | None = None
    official_val: Indices | None = None
