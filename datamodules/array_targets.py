"""The targets of arrays: what they mean, as in an .npz file of sequences."""

from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from datamodules.array_values import OWNER, Array, as_array
from datamodules.errors import DataError
from datamodules.samples import Samples
from datamodules.sequences.npz_targets import ArrayTargets, Origin, read_targets

TARGETS = Origin(OWNER, "targets", "sample", "pass continuous=False", "pass continuous=True")


def read_array_targets(values: Array, of_steps: bool, names: Array | None, continuous: bool | None) -> ArrayTargets:
    """Return what targets mean; warn where they may mean something else.

    Args:
        values: (n,) or (n, k).
        of_steps: Whether they are of steps.
        names: Names of the classes or labels, or None.
        continuous: Whether they are numbers to predict; None decides: floats are, unless they are one-hot.

    Raises:
        DataError: One is missing, or they have none of these forms.
    """
    found = read_targets(TARGETS, values, of_steps, names, continuous)
    if found.note:
        rank_zero_warn(found.note)
    return found


def samples_of(
    inputs: Tensor, targets: Any, names: Array | None, continuous: bool | None
) -> tuple[Samples, tuple[str, ...]]:
    """Return samples (N, ...) with their targets, and the names of the classes or labels.

    Raises:
        DataError: There is not one target for each sample, or as in `read_array_targets`.
    """
    values = as_array("targets", targets)
    if len(values) != len(inputs):
        raise DataError(f"{OWNER}: there are {len(inputs)} inputs and {len(values)} targets")
    if values.ndim > 2:
        raise DataError(f"{OWNER}: targets {values.shape} are neither (N,) nor (N, L)")
    found = read_array_targets(values, False, names, continuous)
    return Samples(inputs, torch.from_numpy(found.values)), found.class_names
