"""The minimised value of a training step, on one device or several."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.divergence import advice
from models.errors import TrainingError

Penalties = Sequence[tuple[str, Tensor]]  # names of regularizers, and the scalars that they add to the loss


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


def whole_batch_objective(task: Any, value: Tensor, penalties: Penalties, targets: Tensor) -> Tensor:
    """Return the loss plus penalties such that their mean over the devices is the objective of the whole batch.

    Devices average gradients as if all had the same share of the batch. Where a loss divides by class weights, or
    devices have different numbers of labelled steps, their shares differ: each device's value is multiplied by its
    own share times the number of devices.

    Args:
        task: The task, whose `loss` it is.
        value: The loss of this device's samples.
        penalties: Scalars to add, with the names of their regularizers; each a mean over the samples or a function of
            the network.
        targets: The loss's targets for this device's samples.

    Raises:
        TrainingError: The loss has no gradient.
    """
    loss, trainer = task.loss, task._trainer
    check_gradient(f"loss: {type(loss).__name__} gives a value", value)
    if trainer is None or trainer.world_size == 1:
        return sum((penalty for _, penalty in penalties), value)
    devices = trainer.world_size
    samples = torch.as_tensor(len(targets), device=value.device)
    own = torch.stack([loss_divisor(loss, targets), samples]).double()
    share, share_of_samples = (own * devices / trainer.strategy.reduce(own.clone(), reduce_op="sum")).float()
    if getattr(loss, "reduction", None) == "sum":
        share = torch.full_like(share, devices)
    weighted: Tensor = sum((penalty * share_of_samples for _, penalty in penalties), value * share)
    return weighted


def check_gradient(owner: str, value: Tensor) -> None:
    """Check that what training differentiates has a gradient, unless gradients are off.

    Args:
        owner: What made it, for the message.
        value: Outputs of a network, or a loss.

    Raises:
        TrainingError: It has none.
    """
    if torch.is_grad_enabled() and not value.requires_grad:
        raise TrainingError(f"{owner} without a gradient; does it call detach(), item() or torch.no_grad()?")


def check_scalar(name: str, value: Any) -> None:
    """Check what a loss returns.

    Args:
        name: Its class.
        value: What it returned.

    Raises:
        TrainingError: It is not a scalar tensor.
    """
    if not isinstance(value, Tensor) or value.ndim:
        hint = "; does its forward return?" if value is None else ""
        gave = tuple(value.shape) if isinstance(value, Tensor) else value
        raise TrainingError(f"loss: {name} must return a scalar tensor, gave {gave}{hint}")


def check_objective(task: Any, objectives: Tensor, steps: Sequence[Any], where: str = "") -> None:
    """Check the objectives of training steps.

    Args:
        task: The task.
        objectives: (steps,), means over the devices.
        steps: The results of each step, see `StepResults`.
        where: Where NaN or infinite numbers appeared first, if that is known.

    Raises:
        TrainingError: An objective is NaN or infinite.
    """
    finite = objectives.isfinite()
    if bool(finite.all()):
        return
    first = int(finite.int().argmin())
    results = steps[first]
    moment = f"at step {results.step}, epoch {task.current_epoch + 1}"
    if bool(results.outputs.isfinite().all()):
        for name, value in results.penalties:
            if not bool(value.isfinite()):
                raise TrainingError(
                    f"the penalty of {name} is {value.item()} {moment}, where the network's outputs are finite: look "
                    f"into its penalty(), or lower the learning rate"
                )
    raise TrainingError(f"the loss is {objectives[first].item()} {moment}: {advice(task, results.rate, where)}")
