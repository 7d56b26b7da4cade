"""Optimizers that step all parameters in one kernel, which takes a fraction of the time."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

DEVICES = ("cpu", "cuda")


def fuse(optimizer: Optimizer, network: nn.Module) -> None:
    """Let torch's SGD, Adam or AdamW step in one kernel, unless its `fused` or `foreach` is set.

    The update is the same but for rounding. Gradients stay unscaled before the step under float16, so that they can be
    clipped. A checkpoint's optimizer goes on as it began.

    Args:
        optimizer: An optimizer that has not stepped yet; any other class stays as it is.
        network: The network that it trains.
    """
    sparse = any(getattr(module, "sparse", False) for module in network.modules())  # gradients, of an embedding
    if type(optimizer) not in (SGD, Adam, AdamW) or sparse:
        return
    for group in optimizer.param_groups:
        chosen = group["fused"] is not None or group["foreach"] is not None or group["differentiable"]
        if not chosen and not group.get("dampening") and all(map(_fits, group["params"])):
            group["fused"] = True
            if group.get("momentum"):
                _start_momentum(optimizer, group["params"])


def _fits(parameter: nn.Parameter) -> bool:
    return parameter.device.type in DEVICES and parameter.is_floating_point() and not nn.parameter.is_lazy(parameter)


def _start_momentum(optimizer: Optimizer, parameters: Iterable[nn.Parameter]) -> None:
    """Give parameters a momentum of 0, from which the first step comes to the same if nothing is dampened.

    The kernel takes no parameters with and without a momentum at once, as there are where some get their first gradient
    later: those of layers that are unfrozen, or that stochastic depth skips.
    """
    for parameter in parameters:
        optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
