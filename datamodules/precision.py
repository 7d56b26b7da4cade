"""Single or double precision: values whose differences float32 would lose are kept in float64 until standardised.

A Unix time of 2023 is 1.7e9, where float32 has one value every 128 seconds. Standardised in float64 and cast then,
times ten seconds apart stay apart.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from datamodules.errors import DataError
from datamodules.normalization import Normalization

# Apple's GPUs have single precision alone.
EXACT = torch.float32 if torch.backends.mps.is_available() else torch.float64
TOLERANCE = 1e-4  # rounding error that float32 may make, in standard deviations
COMPARED = 20_000  # values of a column that are compared before and after rounding


def narrowest(values: Tensor) -> Tensor:
    """Return columns in float32 where its rounding does not matter to any of them, else as they are.

    Args:
        values: (n, columns), float64, finite; n is at least 1.
    """
    rounded = values.float()
    error = (rounded.double() - values).abs().amax(0)
    spread = values.std(0, correction=0)
    varies = values.amax(0) > values.amin(0)
    lost = error.isinf() | (varies & ~(error <= TOLERANCE * spread))
    return values if bool(lost.any()) else rounded


def numbered_features(count: int) -> list[str]:
    """Return what messages call features that have no names."""
    return [f"feature {number}" for number in range(count)]


def check_precision(owner: str, names: Sequence[str], values: Tensor, normalization: Normalization) -> None:
    """Check that float32 tells the values of each column apart once they are standardised.

    Args:
        owner: The file or the datamodule, for the message.
        names: Names of the columns.
        values: (n, columns), float32, or float64, which is cast after it is standardised.
        normalization: One mean and standard deviation for each column, or one for all.

    Raises:
        DataError: Ten or more values of a column become one or two; or in float64, half of them become equal to others;
            or one becomes infinite; the message names the column. Or this machine has an Apple GPU, which cannot hold
            float64.
    """
    exact = values.dtype == torch.float64
    if exact and EXACT is not torch.float64:
        raise DataError(
            f"{owner}: float32 cannot keep the differences of values this large, and this machine's GPU has nothing "
            "better: subtract a constant from them in the file"
        )
    mean, std = (torch.tensor(part, dtype=values.dtype) for part in (normalization.mean, normalization.std))
    extremes = ((torch.stack([values.amin(0), values.amax(0)]) - mean) / std).float()
    some = values[:: -(-len(values) // COMPARED)]
    standardised = ((some - mean) / std).float()
    for column, name in enumerate(names):
        before, after = (len(np.unique(part[:, column].numpy())) for part in (some, standardised))
        lost = (before >= 10 and after <= 2) or (exact and 2 * after < before)
        if lost or not bool(extremes[:, column].isfinite().all()):
            raise DataError(
                f"{owner}: float32 keeps {after:,} of {before:,} different values of {name}, even standardised (they "
                f"reach from {values[:, column].min():.6g} to {values[:, column].max():.6g}): round or rescale it, or "
                "remove the outliers"
            )
