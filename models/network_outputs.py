"""A network's outputs for a batch, checked; errors of a network that does not take it, in one line."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import TrainingError
from models.own_code import place_of
from models.preprocessing import Inputs

SHAPE_ERRORS = (IndexError, RuntimeError, ValueError)  # what inputs of another shape lead to
COMPILERS = ("torch._dynamo", "torch._inductor")
ONE_SAMPLE = "Expected more than 1 value per channel"


def network_outputs(network: nn.Module, inputs: Inputs) -> Tensor:
    """Return a network's outputs for inputs (N, ...), or for N sequences: one tensor of floats, (N, ...).

    Raises:
        TrainingError: The network does not take the inputs, or gives something else.
    """
    try:
        outputs = network(inputs)
    except torch.OutOfMemoryError:
        raise
    except (*SHAPE_ERRORS, AttributeError, TypeError) as failed:
        error = _without_compiler(network, inputs) or failed
        if isinstance(inputs, Tensor) and not isinstance(error, SHAPE_ERRORS) and place_of(error) is not None:
            raise  # a mistake in the user's own code, which the shape has nothing to do with
        raise TrainingError(_refusal(network, inputs, error)) from error
    samples = len(inputs) if isinstance(inputs, Tensor) else len(inputs[0])
    problem = _problem(outputs, samples)
    if problem is not None:
        raise TrainingError(f"network: {type(network).__name__} gives {problem}")
    found: Tensor = outputs
    return found


def _without_compiler(network: nn.Module, inputs: Inputs) -> Exception | None:
    """Return the error of a network that torch.compile fails on, if it fails without as well."""
    if network._compiled_call_impl is not None:
        try:
            uncompiled(network)(inputs)
        except Exception as error:
            return error
    return None


def uncompiled(network: nn.Module) -> nn.Module:
    """Return a network that is not compiled: itself, or a copy."""
    return network if network._compiled_call_impl is None else copy.deepcopy(network)


def _problem(outputs: Any, samples: int) -> str | None:
    if outputs is None:
        return "None, not a tensor of outputs; does its forward return?"
    if not isinstance(outputs, Tensor):
        return f"a {type(outputs).__name__}, not a tensor of outputs; return the tensor alone"
    if not outputs.is_floating_point():
        return f"outputs of the type {str(outputs.dtype).removeprefix('torch.')}; they must be floats"
    if outputs.ndim and len(outputs) != samples:
        return f"outputs {tuple(outputs.shape)} for {samples} inputs; the first dimension must be that of the inputs"
    return None


def _refusal(network: nn.Module, inputs: Inputs, error: Exception) -> str:
    name, place = type(network).__name__, place_of(error)
    if type(error).__module__.startswith(COMPILERS):
        said = next(line for line in str(error).splitlines() if line.strip())
        return f"compile: torch.compile fails on {name}: {said}; leave --compile out"
    if not isinstance(inputs, Tensor):
        return f"{name} does not take sequences of different lengths; Recurrent does ({error})"
    if ONE_SAMPLE in str(error) and len(inputs) == 1:
        advice = "raise data.batch_size, or leave out a last batch of one with --data.drop_last true"
        return f"network: {name}'s batch norm needs more than one sample in a batch: {advice} ({error})"
    wanted = (getattr(network, "init_args", None) or {}).get("input_shape")
    made_for = f" (it was made for (N, {', '.join(map(str, wanted))}))" if wanted else ""
    where = f"{place}; HOLDOUT_DEBUG=1 shows the traceback" if place else "HOLDOUT_DEBUG=1 shows where"
    return f"network: {name} does not take inputs {tuple(inputs.shape)}{made_for}: {error} ({where})"


def check_raw(owner: str, raw: Any) -> None:
    """Check what a trained model is called with: a tensor (N, ...), or those of sequences and their lengths.

    Raises:
        TypeError: It is something else, such as an array of NumPy's.
    """
    several = isinstance(raw, tuple | list) and len(raw) == 2 and all(isinstance(part, Tensor) for part in raw)
    if not isinstance(raw, Tensor) and not several:
        raise TypeError(
            f"{owner} takes a tensor (N, ...), or sequences and their lengths as two, not a {type(raw).__name__}; "
            f"torch.as_tensor makes one"
        )
