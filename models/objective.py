"""The minimised value of a training step, on one device or several."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import TrainingError


def loss_divisor(loss: nn.Module, targets: Tensor) -> Tensor:
    """Return what a loss of a batch divides the sum over its samples by, a scalar.

    It is the sum of the labels' weights for torch's class weights, what a method `divisor(targets)` of the loss
    returns, or else the number of samples.

    Args:
        loss: The loss.
        targets: Its targets, (N, ...): labels, class probabilities or values.
    """
    if isinstance(loss, nn.CrossEntropyLoss | nn.NLLLoss) and loss.weight is not None:
        soft = targets.is_floating_point()
        return (targets.detach() * loss.weight).sum() if soft else loss.weight[targets].sum()
    stated = loss.divisor(targets) if hasattr(loss, "divisor") else len(targets)  # type: ignore[operator]
    return torch.as_tensor(stated, device=targets.device)


def whole_batch_objective(task: Any, value: Tensor, penalties: Sequence[Tensor], targets: Tensor) -> Tensor:
    """Return the loss plus penalties such that their mean over the devices is the objective of the whole batch.

    Devices average gradients as if all had the same share of the batch. Where a loss divides by class weights, or
    devices have different numbers of labelled steps, their shares differ: each device's value is multiplied by its
    own share times the number of devices.

    Args:
        task: The task, whose `loss` it is.
        value: The loss of this device's samples.
        penalties: Scalars to add, each a mean over the samples or a function of the network.
        targets: The loss's targets for this device's samples.
    """
    loss, trainer = task.loss, task._trainer
    if trainer is None or trainer.world_size == 1:
        return sum(penalties, value)
    devices = trainer.world_size
    samples = torch.as_tensor(len(targets), device=value.device)
    own = torch.stack([loss_divisor(loss, targets), samples]).double()
    share, share_of_samples = (own * devices / trainer.strategy.reduce(own.clone(), reduce_op="sum")).float()
    if getattr(loss, "reduction", None) == "sum":
        share = torch.full_like(share, devices)
    weighted: Tensor = sum((penalty * share_of_samples for penalty in penalties), value * share)
    return weighted


def check_objective(objectives: Tensor, steps: Sequence[int], epoch: int) -> None:
    """Check the objectives of training steps, (steps,).

    Raises:
        TrainingError: One is NaN or infinite.
    """
    finite = objectives.isfinite()
    if not bool(finite.all()):
        first = int(finite.int().argmin())
        raise TrainingError(
            f"the loss is {objectives[first].item()} at step {steps[first]}, epoch {epoch + 1}: "
            f"lower the learning rate, or clip gradients (--trainer.gradient_clip_val 1)"
        )
