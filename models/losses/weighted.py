"""Losses of batches whose samples have weights."""

from typing import Any

import torch
from torch import Tensor, nn


def weighted_loss(loss: nn.Module, outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of the samples' losses times their weights, or the sum where the loss is one.

    It is divided by the number of samples, not by the sum of the weights, whose mean over the training part is 1: a
    batch of light samples moves the network less than one of heavy samples, and several devices do what one does.

    Args:
        loss: Maps outputs and targets to a scalar.
        outputs: (N, ...).
        targets: (N, ...).
        weights: (N,).
    """
    losses = losses_of_samples(loss, outputs, targets)
    weighted = losses * weights.to(losses.dtype)
    return weighted.sum() if getattr(loss, "reduction", "mean") == "sum" else weighted.mean()


def losses_of_samples(loss: nn.Module, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of each sample, (N,), whose mean (or sum, by the loss's `reduction`) is the loss of the batch.

    A loss without `reduction` is computed for each sample by itself, all at once by `torch.vmap`.
    """
    options: Any = loss
    reduction = getattr(loss, "reduction", None)
    if reduction is None:
        alone = torch.vmap(lambda output, target: loss(output.unsqueeze(0), target.unsqueeze(0)))
        several: Tensor = alone(outputs, targets)
        return several.reshape(len(outputs))
    options.reduction = "none"
    try:
        values: Tensor = loss(outputs, targets).reshape(len(outputs), -1)
    finally:
        options.reduction = reduction
    return values.mean(1) if reduction == "mean" else values.sum(1)
