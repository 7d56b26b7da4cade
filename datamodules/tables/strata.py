"""Strata of continuous targets, so that each part of a split has low and high ones in proportion."""

from typing import Any

import numpy as np
import numpy.typing as npt

from datamodules.splitting.splits import quantile_bins


def binned(targets: npt.NDArray[np.float64], bins: int) -> npt.NDArray[Any]:
    """Return each sample's quantile bin, (N,), int64; of several targets whether it is in each bin, (N, L), bool.

    Args:
        targets: (N, outputs).
        bins: Number of bins of each target, at least 2.

    Raises:
        DataError: `bins` is less than 2.
    """
    of_each = [quantile_bins(target, bins) for target in targets.T]
    if len(of_each) == 1:
        return of_each[0]
    return np.concatenate([found[:, None] == np.unique(found) for found in of_each], axis=1)
