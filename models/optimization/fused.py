"""Optimizers that step all parameters in one kernel, which takes a fraction of the time."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer


def fuse(optimizer: Optimizer, network: nn.Module) -> None:
    """Let torch's SGD with momentum, Adam or AdamW step in one kernel, unless its `fused` or `foreach` is set.

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
        if chosen or group.get("dampening") or not group.get("momentum", 1) or not all(map(_fits, group["params"])):
            continue
        group["fused"] = True
        if "momentum" in group:
            _start_momentum(optimizer, group["params"])


def _fits(parameter: nn.Parameter) -> bool:
    """Return whether the kernels take a parameter: dense, and on a CPU of full precision."""
    if type(parameter) is not nn.Parameter:  # lazy, or divided among devices
        return False
    dense = parameter.is_contiguous() or (
        parameter.ndim == 4 and parameter.is_contiguous(memory_format=torch.channels_last)
    )
    # On a CPU, torch 2.13's skips most of a bfloat16 weight.
    precise = parameter.dtype in (torch.float32, torch.float64)
    on_gpu = parameter.device.type == "cuda" and parameter.is_floating_point()
    return dense and ((parameter.device.type == "cpu" and precise) or on_gpu)


def _start_momentum(optimizer: Optimizer, parameters: Iterable[nn.Parameter]) -> None:
    """Give parameters a momentum of 0, from which the first step comes to the same if nothing is dampened.

    The kernel takes no parameters with and without a momentum at once, as there are where some get their first gradient
    later: those of layers that are unfrozen, or that stochastic depth skips.
    """
    for parameter in parameters:
        optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
