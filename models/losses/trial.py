"""Trials of a loss on a made-up batch, before anything is trained."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.errors import TrainingError


def try_loss(loss: nn.Module, compute: Callable[..., Tensor], outputs: Tensor, targets: Tensor) -> None:
    """Check that a loss takes outputs and targets.

    Args:
        loss: The loss, for the message.
        compute: Returns a task's loss of outputs and targets.
        outputs: (N, ...).
        targets: (N, ...).

    Raises:
        TrainingError: It does not.
    """
    try:
        with torch.no_grad(), warnings.catch_warnings(action="ignore"):
            compute(outputs, targets)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        shapes = f"outputs {tuple(outputs.shape)} with targets {tuple(targets.shape)}"
        raise TrainingError(f"loss: {type(loss).__name__} does not take {shapes}: {error}") from error


def try_weights(loss: nn.Module, compute: Callable[..., Tensor], outputs: Tensor, targets: Tensor) -> None:
    """Check that weights can act on a loss: that it consists of one number per sample.

    Args:
        loss: The loss, for the message.
        compute: Returns a task's loss of outputs, targets and weights (N,).
        outputs: (N, ...); others of the same shape are tried.
        targets: (N, ...).

    Raises:
        TrainingError: They cannot.
    """
    tried = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(0)).to(outputs)
    try:
        with torch.no_grad(), warnings.catch_warnings(action="ignore"):
            plain, weighted = compute(tried, targets), compute(tried, targets, tried.new_ones(len(tried)))
        same = bool(torch.isclose(plain.float(), weighted.float(), rtol=1e-3, equal_nan=True))
    except (RuntimeError, ValueError, IndexError, TypeError):
        same = False
    if not same:
        raise TrainingError(
            f"loss: {type(loss).__name__} does not give one number per sample, for the data's weights to act on: "
            f"choose another loss, or data without weights"
        )
