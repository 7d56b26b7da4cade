"""Images laid out channels last, pixel by pixel, for a network of any make: many convolutions are faster so."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def channels_last_inputs(network: nn.Module, wanted: bool = True) -> Iterator[None]:
    """Lay out the images that a network is given channels last; other inputs stay as they are."""
    hook = network.register_forward_pre_hook(_to_channels_last) if wanted else None
    try:
        yield
    finally:
        if hook is not None:
            hook.remove()


def _to_channels_last(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        value.contiguous(memory_format=torch.channels_last) if isinstance(value, Tensor) and value.dim() == 4 else value
        for value in inputs
    )
