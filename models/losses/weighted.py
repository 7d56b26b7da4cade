"""Losses of batches whose samples have weights."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.objective import loss_divisor


def weights_of(batch: Sequence[Any], steps: tuple[Tensor, ...] | None) -> list[Tensor]:
    """Return the weights of a batch's samples, (N,), or of its labelled steps, (M,); an empty list without any.

    Args:
        batch: Inputs, targets, and weights (N,) if there are any.
        steps: Sample and step of each label, (M,) each; None if targets are of samples.
    """
    weights = list(batch[2:])
    return weights if steps is None else [several[steps[0]] for several in weights]


def weighted_loss(loss: nn.Module, outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the sum of the samples' losses times their weights, divided by what the loss divides a sum by.

    That is the number of samples, or the sum of their class weights, but not the sum of the weights, whose mean over
    the training part is 1: a batch of light samples moves the network less than one of heavy samples, and several
    devices do what one does (`models.objective`). Where the loss is a sum, it is divided by nothing.

    Args:
        loss: Maps outputs and targets to a scalar.
        outputs: (N, ...).
        targets: (N, ...).
        weights: (N,).
    """
    losses = losses_of_samples(loss, outputs, targets)
    weighted = (losses * weights.to(losses.dtype)).sum()
    return weighted if getattr(loss, "reduction", "mean") == "sum" else weighted / loss_divisor(loss, targets)


def losses_of_samples(loss: nn.Module, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of each sample, (N,), whose sum is what the loss of the batch divides.

    A loss without `reduction` is computed for each sample by itself, all at once by `torch.vmap`.
    """
    options: Any = loss
    reduction = getattr(loss, "reduction", None)
    if reduction is None:
        several: Tensor = torch.vmap(lambda output, target: _alone(loss, output, target))(outputs, targets)
        return several
    options.reduction = "none"
    try:
        values: Tensor = loss(outputs, targets).reshape(len(outputs), -1)
    finally:
        options.reduction = reduction
    return values.mean(1) if reduction == "mean" else values.sum(1)


def _alone(loss: nn.Module, output: Tensor, target: Tensor) -> Tensor:
    targets = target.unsqueeze(0)
    value: Tensor = loss(output.unsqueeze(0), targets) * loss_divisor(loss, targets)
    return value.reshape(())
