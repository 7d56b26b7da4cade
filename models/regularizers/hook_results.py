"""What the hooks of a regularizer return, checked: errors name its class."""

from typing import Any

from torch import Tensor

from models.errors import TrainingError
from models.regularizers.base import Regularizer, Step


def perturbed(item: Regularizer, inputs: Any, targets: Tensor, *weights: Tensor) -> tuple[Any, ...]:
    """Return what a regularizer makes of a batch: inputs and targets, and weights if samples have any.

    Raises:
        TrainingError: It is not those of as many samples.
    """
    changed: Any = item.perturb_weighted(inputs, targets, *weights) if weights else item.perturb(inputs, targets)
    called = f"{type(item).__name__}.perturb"
    if not isinstance(changed, tuple) or len(changed) != 2 + len(weights):
        wanted = "inputs, targets and weights" if weights else "inputs and targets, a pair"
        raise TrainingError(f"{called} must return {wanted}, not {_kind(changed)}")
    new_inputs, new_targets, *new_weights = changed
    if not isinstance(new_inputs, Tensor if isinstance(inputs, Tensor) else tuple):
        raise TrainingError(f"{called} must return inputs of the kind it was given, not {_kind(new_inputs)}")
    if _samples(new_inputs) != _samples(inputs):
        raise TrainingError(
            f"{called} must return as many inputs as it was given: {_samples(inputs)}, not {_samples(new_inputs)}"
        )
    return new_inputs, _checked_targets(called, new_targets, targets), *new_weights


def revised(item: Regularizer, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the targets that a regularizer makes of outputs and targets.

    Raises:
        TrainingError: They are of another shape or kind.
    """
    return _checked_targets(f"{type(item).__name__}.revise", item.revise(outputs, targets), targets)


def penalty_of(item: Regularizer, step: Step) -> Tensor | None:
    """Return a regularizer's penalty.

    Raises:
        TrainingError: It is neither a scalar tensor nor None.
    """
    penalty: Any = item.penalty(step)
    if penalty is not None and (not isinstance(penalty, Tensor) or penalty.ndim):
        raise TrainingError(f"{type(item).__name__}.penalty must return a scalar tensor, or None, not {_kind(penalty)}")
    return penalty


def _checked_targets(called: str, changed: Any, targets: Tensor) -> Tensor:
    if isinstance(changed, Tensor) and changed.shape == targets.shape and changed.is_floating_point():
        return changed
    raise TrainingError(f"{called} must return targets like those it was given, {_kind(targets)}, not {_kind(changed)}")


def _samples(inputs: Any) -> int:
    return len(inputs if isinstance(inputs, Tensor) else inputs[0])


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    return repr(value) if value is None or isinstance(value, int | float | str) else f"a {type(value).__name__}"
