"""A training step that an optimizer computes a second time, on the same batch, and that counts once."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import lightning as L
import torch
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from torch.optim import Optimizer

from models.optimization.frozen_batch_norm import frozen_batch_norm_statistics
from models.optimization.sam import SAM

if TYPE_CHECKING:
    from models.task import Task


@contextmanager
def second_pass(task: "Task") -> Iterator[None]:
    """Let a task compute its training step again without recording the batch or moving what the first pass has moved.

    Args:
        task: The task; batch norm's running statistics and the regularizers' buffers end as they began.
    """
    kept = [
        (module, name, buffer, buffer.clone())
        for module in task.regularizers.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    task.recording = False
    try:
        with frozen_batch_norm_statistics(task.network):
            yield
    finally:
        task.recording = True
        with torch.no_grad():
            for module, name, buffer, value in kept:
                setattr(module, name, buffer.copy_(value))


def prepare_second_pass(optimizer: Optimizer, task: "Task") -> None:
    """Let an optimizer that computes gradients twice do so without a trace; any other is left alone.

    Raises:
        ValueError: The trainer does not let it compute them twice.
    """
    if not isinstance(optimizer, SAM):
        return
    trainer: L.Trainer = task.trainer
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    scheduled = any(
        isinstance(callback, GradientAccumulationScheduler) and callback.going_to_accumulate_grad_batches()
        for callback in callbacks
    )
    if trainer.accumulate_grad_batches > 1 or scheduled:
        raise ValueError("SAM computes each gradient twice, which does not go with trainer.accumulate_grad_batches")
    if getattr(trainer.precision_plugin, "scaler", None) is not None:
        raise ValueError(
            f"SAM computes each gradient twice, which does not go with the scaled gradients of trainer.precision "
            f"{trainer.precision}; use bf16-mixed or 32-true"
        )
    optimizer.second_pass = functools.partial(second_pass, task)
