"""Passes over a batch that was counted already, as SAM's second one; nothing but gradients may come of them."""

from collections.abc import Iterator
from contextlib import contextmanager

import lightning as L
import torch
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


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
def uncounted_pass(network: nn.Module, regularizers: nn.Module) -> Iterator[None]:
    """Let a training step run again on the same batch without counting it twice.

    Args:
        network: Its batch norms keep their running statistics.
        regularizers: Their buffers end as they began.
    """
    kept = [
        (module, name, buffer, buffer.clone())
        for module in regularizers.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    try:
        with frozen_batch_norm_statistics(network):
            yield
    finally:
        with torch.no_grad():
            for module, name, buffer, value in kept:
                setattr(module, name, buffer.copy_(value))


def check_sam(trainer: L.Trainer) -> None:
    """Check that a trainer lets SAM compute each gradient twice.

    Raises:
        ValueError: It accumulates or scales gradients.
    """
    accumulates = trainer.accumulate_grad_batches > 1 or any(
        isinstance(callback, GradientAccumulationScheduler) and callback.going_to_accumulate_grad_batches()
        for callback in trainer.callbacks  # type: ignore[attr-defined]
    )
    if accumulates:
        raise ValueError("SAM computes each gradient twice; set trainer.accumulate_grad_batches to 1")
    if getattr(trainer.precision_plugin, "scaler", None) is not None:
        raise ValueError(
            f"SAM computes each gradient twice and cannot scale gradients as trainer.precision {trainer.precision} "
            f"does; use bf16-mixed or 32-true"
        )
