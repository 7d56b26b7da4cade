"""Weights of samples in the training loss."""

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datamodules.errors import DataError
from datamodules.splitting.multi_label import Indices


def check_weights(owner: str, weights: Tensor, count: int) -> None:
    """Check that there is a weight for each of `count` samples, float32, finite and 0 or more.

    Raises:
        DataError: There is not; the message names the first sample at fault.
    """
    if not isinstance(weights, Tensor) or weights.dtype != torch.float32 or tuple(weights.shape) != (count,):
        kind = f"{weights.dtype} {tuple(weights.shape)}" if isinstance(weights, Tensor) else type(weights).__name__
        raise DataError(f"{owner}: Samples.weights is {kind}; it must be float32 (N,), here ({count},)")
    wrong = (~(weights.isfinite() & (weights >= 0))).nonzero()
    if len(wrong):
        sample = int(wrong[0])
        raise DataError(f"{owner}: sample {sample} has the weight {weights[sample].item():g}; it must be 0 or more")


def scale_weights(owner: str, weights: Tensor | None, train: Indices) -> Tensor | None:
    """Return weights divided by their mean over the training part, (N,), float32; None without any.

    Raises:
        DataError: All training samples have the weight 0.
    """
    if weights is None:
        return None
    mean = weights[torch.from_numpy(train)].double().mean()
    if mean == 0:
        raise DataError(f"{owner}: every training sample has the weight 0")
    return (weights.double() / mean).float()


def describe_weights(weights: Tensor) -> dict[str, Any]:
    """Return the smallest and the greatest weight, and the hash of all, for a manifest."""
    content = np.ascontiguousarray(weights.numpy(), dtype="<f4").tobytes()
    lowest, highest = weights.min().item(), weights.max().item()
    return {"min": lowest, "max": highest, "sha256": hashlib.sha256(content).hexdigest()}
