"""Batch norm in a pass that leaves no trace: the batch's own statistics normalise, the running ones stay."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def frozen_batch_norm_statistics(network: nn.Module) -> Iterator[None]:
    """Let a network normalise in training as ever, without moving running means, variances or batch counts.

    For a second pass over a batch that was counted already, such as SAM's. Layers in evaluation mode, as those of a
    frozen backbone are, use their running statistics as ever.

    Args:
        network: The network; its batch norms are meant, synchronised ones too.
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
