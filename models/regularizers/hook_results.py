"""What the hooks of a regularizer return, checked: errors name its class."""

from typing import Any

from torch import Tensor

from models.errors import TrainingError


def perturbed(item: Any, inputs: Any, targets: Tensor, *weights: Tensor) -> tuple[Any, ...]:
    """Return what a regularizer makes of a batch: inputs, targets, and the samples' weights if there are any.

    Raises:
        TrainingError: It is not that for as many samples, or it mixes samples and does not say how their weights mix.
    """
    if not weights:
        return perturbed_pair(item, inputs, targets)
    changed: Any = item.perturb_weighted(inputs, targets, *weights)
    called = f"{type(item).__name__}.perturb_weighted"
    if not isinstance(changed, tuple) or len(changed) != 3:
        raise TrainingError(f"{called} must return inputs, targets and weights, not {_kind(changed)}")
    new_inputs, new_targets, new_weights = changed
    batch = _checked_batch(called, inputs, targets, new_inputs, new_targets)
    return *batch, _checked(called, "weights", new_weights, weights[0])


def perturbed_pair(item: Any, inputs: Any, targets: Tensor) -> tuple[Any, Tensor]:
    """Return the inputs and targets that a regularizer's `perturb` makes of a batch.

    Raises:
        TrainingError: It is not that for as many samples.
    """
    changed: Any = item.perturb(inputs, targets)
    called = f"{type(item).__name__}.perturb"
    if not isinstance(changed, tuple) or len(changed) != 2:
        raise TrainingError(f"{called} must return inputs and targets, a pair, not {_kind(changed)}")
    return _checked_batch(called, inputs, targets, *changed)


def revised(item: Any, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the targets that a regularizer makes of outputs and targets.

    Raises:
        TrainingError: They are of another shape or kind.
    """
    return _checked(f"{type(item).__name__}.revise", "targets", item.revise(outputs, targets), targets)


def penalty_of(item: Any, step: Any) -> Tensor | None:
    """Return a regularizer's penalty.

    Raises:
        TrainingError: It is neither a scalar tensor nor None.
    """
    penalty: Any = item.penalty(step)
    if penalty is not None and (not isinstance(penalty, Tensor) or penalty.ndim):
        raise TrainingError(f"{type(item).__name__}.penalty must return a scalar tensor, or None, not {_kind(penalty)}")
    return penalty


def _checked_batch(called: str, inputs: Any, targets: Tensor, changed: Any, new_targets: Any) -> tuple[Any, Tensor]:
    given, found = (values if isinstance(values, tuple) else (values,) for values in (inputs, changed))
    same_kind = isinstance(changed, tuple) == isinstance(inputs, tuple) and len(found) == len(given)
    if not same_kind or not all(map(_alike, given, found)):
        kinds = " and ".join(map(_kind, given))
        raise TrainingError(
            f"{called} must return inputs of the kind it was given, {kinds}, not {' and '.join(map(_kind, found))}"
        )
    if len(found[0]) != len(given[0]):
        raise TrainingError(
            f"{called} must return as many inputs as it was given: {len(given[0])}, not {len(found[0])}"
        )
    return changed, _checked(called, "targets", new_targets, targets)


def _alike(given: Tensor, found: Any) -> bool:
    return isinstance(found, Tensor) and found.dtype == given.dtype and found.ndim > 0


def _checked(called: str, name: str, changed: Any, given: Tensor) -> Tensor:
    of_floats = given.is_floating_point()
    if isinstance(changed, Tensor) and changed.shape == given.shape and changed.is_floating_point() == of_floats:
        return changed
    raise TrainingError(f"{called} must return {name} like those it was given, {_kind(given)}, not {_kind(changed)}")


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    return repr(value) if value is None or isinstance(value, int | float | str) else f"a {type(value).__name__}"
