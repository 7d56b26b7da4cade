"""The error of a training run that must not go on, and the checks that raise it."""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from models.task import Task


class TrainingError(RuntimeError):
    """Training cannot go on, or its result would mean nothing; the message says why and what to do."""


def check_finite(objectives: Tensor, steps: Sequence[int], epoch: int) -> None:
    """Check what was minimised in each of some steps, (steps,).

    Raises:
        TrainingError: One is no number.
    """
    finite = objectives.isfinite()
    if not bool(finite.all()):
        first = int(finite.int().argmin())
        raise TrainingError(
            f"the loss is {objectives[first].item()} at step {steps[first]}, epoch {epoch + 1}: "
            f"lower the learning rate, or clip gradients (--trainer.gradient_clip_val 1)"
        )


def check_finite_metric(name: str, figure: Tensor, epoch: int) -> None:
    """Check a figure that was measured.

    Raises:
        TrainingError: It is no number.
    """
    if not bool(figure.isfinite()):
        raise TrainingError(f"{name} is {figure.item()}: the network's outputs are no numbers")


def check_loss_fits(task: "Task", outputs: Tensor, targets: Tensor) -> None:
    """Check before training that a task's loss takes what it will be given.

    Args:
        task: The task.
        outputs: An example of its network's outputs.
        targets: An example of targets, as a datamodule has them.

    Raises:
        TrainingError: It does not.
    """
    targets = task.soft_targets(targets)
    try:
        with torch.no_grad(), warnings.catch_warnings(action="ignore"):
            task.compute_loss(outputs, targets)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        shapes = f"{tuple(outputs.shape)} with targets {tuple(targets.shape)}"
        raise TrainingError(f"loss: {type(task.loss).__name__} takes no outputs {shapes}: {error}") from error
