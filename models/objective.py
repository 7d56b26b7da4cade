"""The minimised value: a scalar that has a gradient and is finite."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from models.errors import TrainingError
from models.own_code import place_of

Penalties = Sequence[tuple[str, Tensor]]  # names of regularizers, and the scalars that they add to the loss


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


def try_loss(name: str, compute: Callable[[Tensor, Tensor], Tensor], outputs: Tensor, targets: Tensor) -> None:
    """Try a loss on made-up outputs and targets.

    Raises:
        TrainingError: It does not take them, or gives something else than a scalar.
    """
    try:
        value: Any = compute(outputs, targets)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        shapes = f"outputs {tuple(outputs.shape)} with targets {tuple(targets.shape)}"
        place = place_of(error)
        where = f" ({place}; HOLDOUT_DEBUG=1 shows the traceback)" if place else ""
        raise TrainingError(f"loss: {name} does not take {shapes}: {error}{where}") from error
    if not isinstance(value, Tensor) or value.ndim:
        hint = "; does its forward return?" if value is None else ""
        gave = tuple(value.shape) if isinstance(value, Tensor) else value
        raise TrainingError(f"loss: {name} must return a scalar tensor, gave {gave} for a batch of two{hint}")


def check_objective(
    objectives: Tensor, steps: Sequence[int], epoch: int, outputs: Sequence[Tensor], penalties: Sequence[Penalties]
) -> None:
    """Check the objectives of training steps.

    Args:
        objectives: (steps,).
        steps: Number of each step.
        epoch: The epoch, from 0.
        outputs: The network's outputs at each step.
        penalties: The penalties of each step.

    Raises:
        TrainingError: An objective is NaN or infinite.
    """
    finite = objectives.isfinite()
    if bool(finite.all()):
        return
    first = int(finite.int().argmin())
    where = f"at step {steps[first]}, epoch {epoch + 1}"
    if bool(outputs[first].isfinite().all()):
        for name, value in penalties[first]:
            if not bool(value.isfinite()):
                raise TrainingError(
                    f"the penalty of {name} is {value.item()} {where}, where the network's outputs are finite: look "
                    f"into its penalty(), or lower the learning rate"
                )
    raise TrainingError(
        f"the loss is {objectives[first].item()} {where}: "
        f"lower the learning rate, or clip gradients (--trainer.gradient_clip_val 1)"
    )
