"""Passes over a batch that was counted already, as SAM's second one; nothing but gradients may come of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import count
from typing import Any

import lightning as L
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import LBFGS, Optimizer

from models.evaluated import EvaluatedModule
from models.optimization.run_length import accumulation_schedule
from models.optimization.sam import SAM


@contextmanager
def frozen_batch_norm_statistics(network: nn.Module) -> Iterator[None]:
    """Keep running means, variances and batch counts as they are while batch norm normalises by the batch's statistics.

    Layers in evaluation mode, as in a frozen backbone, use their running statistics as always.

    Args:
        network: The network with the batch norms, synchronised ones included.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    tracking = [layer for layer in layers if layer.track_running_stats]
    for layer in tracking:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in tracking:
            layer.track_running_stats = True


@contextmanager
def uncounted_pass(task: EvaluatedModule, regularizers: nn.Module) -> Iterator[None]:
    """Let a task's training step run again on the same batch without a trace.

    Args:
        task: It records nothing, and its network's batch norms keep their running statistics.
        regularizers: Their buffers end as they began.
    """
    kept = [
        (module, name, buffer, buffer.clone())
        for module in regularizers.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    task.training_record.recording = False
    try:
        with frozen_batch_norm_statistics(task.network):
            yield
    finally:
        task.training_record.recording = True
        with torch.no_grad():
            for module, name, buffer, value in kept:
                setattr(module, name, buffer.copy_(value))


def count_once(closure: Callable[[], Any], task: EvaluatedModule, regularizers: nn.Module) -> Callable[[], Any]:
    """Return a closure for one optimizer step whose first call counts; the others leave no trace.

    Args:
        closure: Computes the loss of a batch and its gradient.
        task: The task whose training step it runs.
        regularizers: The task's regularizers.
    """
    calls = count()

    def counted() -> Any:
        with uncounted_pass(task, regularizers) if next(calls) else nullcontext():
            return closure()

    return counted


def check_passes(optimizer: Optimizer, trainer: L.Trainer) -> None:
    """Check that a trainer lets an optimizer compute a gradient as often as it does.

    Raises:
        ValueError: The trainer accumulates or scales gradients, and the optimizer computes each more than once.
    """
    if not isinstance(optimizer, LBFGS | SAM):
        return
    again = f"{type(optimizer).__name__} computes each gradient {'twice' if isinstance(optimizer, SAM) else 'anew'}"
    schedule = accumulation_schedule(trainer)
    varies = schedule is not None and schedule.going_to_accumulate_grad_batches()
    if trainer.accumulate_grad_batches > 1 or varies:
        raise ValueError(f"{again}; set trainer.accumulate_grad_batches to 1")
    if getattr(trainer.precision_plugin, "scaler", None) is not None:
        raise ValueError(
            f"{again} and cannot scale gradients as trainer.precision {trainer.precision} does; use bf16-mixed or "
            f"32-true"
        )
