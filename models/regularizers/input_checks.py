"""Checks of a batch's inputs, for regularizers that need one tensor or images."""

from typing import Any

from torch import Tensor

from models.errors import TrainingError


def check_tensor(name: str, inputs: Any) -> None:
    """Check that inputs are one tensor.

    Args:
        name: Name of the regularizer, for the message.
        inputs: The inputs of a batch.

    Raises:
        TrainingError: They are sequences with their lengths.
    """
    if not isinstance(inputs, Tensor):
        raise TrainingError(f"{name} does not take sequences of different lengths")


def check_images(name: str, inputs: Any) -> None:
    """Check that inputs are images, (N, C, H, W).

    Args:
        name: Name of the regularizer, for the message.
        inputs: The inputs of a batch.

    Raises:
        TrainingError: They are not.
    """
    check_tensor(name, inputs)
    if inputs.ndim != 4:
        raise TrainingError(f"{name} takes images, not samples {tuple(inputs.shape[1:])}")
