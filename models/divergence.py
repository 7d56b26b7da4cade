"""Where numbers that are NaN or infinite appeared first, and what is left to go on from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import TrainingError

BATCH_STATISTICS = ("running_mean", "running_var")  # of torch's norms


def seen_at_once(task: Any, objective: Tensor) -> bool:
    """Return whether a step's objective is NaN or infinite, if it costs nothing to ask: on one CPU.

    A GPU would have to be waited for in every step; `trainer.detect_anomaly` does that anyway.
    """
    trainer = task._trainer
    if trainer is None or trainer.world_size > 1 or (objective.device.type != "cpu" and not trainer._detect_anomaly):
        return False
    return not bool(objective.isfinite())


def first_fault(network: nn.Module, inputs: Any) -> str:
    """Return where NaN or infinite numbers appear first in a pass: "the inputs", "the weights of body.1 (Linear)".

    Args:
        network: As it was in the pass.
        inputs: The pass's inputs, (N, ...), or sequences.

    Returns:
        The place; "the loss" if all of the network's numbers are finite.
    """
    tensors = [inputs] if isinstance(inputs, Tensor) else [part for part in inputs if isinstance(part, Tensor)]
    if not all(map(_is_finite, tensors)):
        return "the inputs"
    name = first_fault_of_state(dict(network.state_dict()))
    if name is not None:
        return name if "." not in name else f"{name} ({_layer_of(network, name)})"
    found: list[str] = []

    def note(name: str, layer: nn.Module, outputs: Any) -> None:
        if isinstance(outputs, Tensor) and not found and not _is_finite(outputs):
            found.append(f"the outputs of {name or 'the network'} ({type(layer).__name__})")

    hooks = [
        layer.register_forward_hook(lambda layer, _, outputs, name=name: note(name, layer, outputs))
        for name, layer in network.named_modules()
    ]
    try:
        with torch.no_grad():
            network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else "the loss"


def first_fault_of_state(state: Mapping[str, Any]) -> str | None:
    """Return the first entry of a network's state that is NaN or infinite, None if there is none."""
    checked = [(name, value) for name, value in state.items() if isinstance(value, Tensor) and _can_be_checked(value)]
    if not checked or len({value.device for _, value in checked}) > 1:
        return next((name for name, value in checked if not _is_mask(name, value) and not _is_finite(value)), None)
    # One answer for all: a GPU is waited for once.
    if bool(torch.stack([value.isfinite().all() for _, value in checked]).all()):
        return None
    return next((name for name, value in checked if not _is_mask(name, value) and not _is_finite(value)), None)


def check_weights(task: Any, state: Mapping[str, Any]) -> None:
    """Check the weights that are about to be saved.

    Args:
        task: The task.
        state: Its state, whose entries `network.…` are checked.

    Raises:
        TrainingError: One is NaN or infinite.
    """
    weights = {name.removeprefix("network."): value for name, value in state.items() if name.startswith("network.")}
    name = first_fault_of_state(weights)
    if name is not None:
        raise TrainingError(
            f"the weights are NaN or infinite after step {task.global_step}, epoch {task.current_epoch + 1}: "
            + advice(task, learning_rate(task), name)
        )


def advice(task: Any, rate: Any, where: str = "") -> str:
    """Return what to do about NaN or infinite numbers, where they appeared first, and what is left to go on from."""
    stated = f" ({float(rate):g})" if rate is not None else ""
    found = f"; first in {where}" if where else "; --trainer.detect_anomaly true finds the layer"
    trainer = task._trainer
    kept = [Path(callback.best_model_path) for callback in getattr(trainer, "checkpoint_callbacks", ())]
    kept = sorted((path for path in kept if path.is_file()), key=lambda path: path.stat().st_mtime_ns)
    left = f"; the last good checkpoint is {kept[-1]}" if kept else "; no checkpoint was written before"
    cure = f"lower the learning rate{stated}, or clip gradients (--trainer.gradient_clip_val 1)"
    if where.endswith(BATCH_STATISTICS):  # gradients do not reach them
        cure = "what a batch norm measures overflows: check the scale of the inputs (data.mean, data.std)"
    return f"{cure}{found}{left}"


def learning_rate(task: Any) -> Any:
    """Return the optimizer's learning rate, that of the first group of parameters; None without a trainer."""
    optimizers = getattr(task._trainer, "optimizers", None)
    return optimizers[0].param_groups[0]["lr"] if optimizers else None


def _can_be_checked(value: Tensor) -> bool:
    return value.is_floating_point() and not nn.parameter.is_lazy(value)


def _is_mask(name: str, value: Tensor) -> bool:
    """Return whether a buffer is infinite by design, as a mask of attention is."""
    return "mask" in name and not bool(value.isnan().any())


def _is_finite(values: Tensor) -> bool:
    return bool(values.isfinite().all())


def _layer_of(network: nn.Module, name: str) -> str:
    return type(network.get_submodule(name.rpartition(".")[0])).__name__
