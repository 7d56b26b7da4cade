"""What the hooks of a regularizer return, checked: errors name its class."""

from typing import Any

from torch import Tensor

from models.errors import TrainingError
from models.regularizers.base import Regularizer, Step


def perturbed(item: Regularizer, inputs: Any, targets: Tensor, *weights: Tensor) -> tuple[Any, ...]:
    """Return what a regularizer makes of a batch: inputs, targets, and the samples' weights if there are any.

    Raises:
        TrainingError: It is not that for as many samples, or it mixes samples and does not say how their weights mix.
    """
    says_how = type(item).perturb_weighted is not Regularizer.perturb_weighted
    if weights and (says_how or item.mixes_samples):
        changed: Any = item.perturb_weighted(inputs, targets, *weights)
        called, wanted = f"{type(item).__name__}.perturb_weighted", ("inputs, targets and weights", 3)
    else:
        changed = item.perturb(inputs, targets)
        called, wanted = f"{type(item).__name__}.perturb", ("inputs and targets, a pair", 2)
    if not isinstance(changed, tuple) or len(changed) != wanted[1]:
        raise TrainingError(f"{called} must return {wanted[0]}, not {_kind(changed)}")
    new_inputs, new_targets, *new_weights = changed
    if not isinstance(new_inputs, Tensor if isinstance(inputs, Tensor) else tuple):
        raise TrainingError(f"{called} must return inputs of the kind it was given, not {_kind(new_inputs)}")
    if _samples(new_inputs) != _samples(inputs):
        raise TrainingError(
            f"{called} must return as many inputs as it was given: {_samples(inputs)}, not {_samples(new_inputs)}"
        )
    checked = [_checked(called, "weights", *pair) for pair in zip(new_weights, weights, strict=False)]
    return new_inputs, _checked(called, "targets", new_targets, targets), *(checked or weights)


def revised(item: Regularizer, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the targets that a regularizer makes of outputs and targets.

    Raises:
        TrainingError: They are of another shape or kind.
    """
    return _checked(f"{type(item).__name__}.revise", "targets", item.revise(outputs, targets), targets)


def penalty_of(item: Regularizer, step: Step) -> Tensor | None:
    """Return a regularizer's penalty.

    Raises:
        TrainingError: It is neither a scalar tensor nor None.
    """
    penalty: Any = item.penalty(step)
    if penalty is not None and (not isinstance(penalty, Tensor) or penalty.ndim):
        raise TrainingError(f"{type(item).__name__}.penalty must return a scalar tensor, or None, not {_kind(penalty)}")
    return penalty


def _checked(called: str, name: str, changed: Any, given: Tensor) -> Tensor:
    if isinstance(changed, Tensor) and changed.shape == given.shape and changed.is_floating_point():
        return changed
    raise TrainingError(f"{called} must return {name} like those it was given, {_kind(given)}, not {_kind(changed)}")


def _samples(inputs: Any) -> int:
    return len(inputs if isinstance(inputs, Tensor) else inputs[0])


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    return repr(value) if value is None or isinstance(value, int | float | str) else f"a {type(value).__name__}"
