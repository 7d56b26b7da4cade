"""Parameter groups: parameters that weight decay spares, and learning rates that fall from the head downwards."""

import math
from typing import Any

from torch import nn
from torch.optim import Optimizer

from models.networks.stages import stages
from models.networks.weights import named_weights

FACTOR = "lr_factor"  # key of a group: its learning rate as a fraction of the head's
HIDDEN = "hidden"  # key of a group, for optimizers that have it among their options: whether it is of hidden weights


def parameter_groups(
    network: nn.Module, defaults: dict[str, Any], decay_norms_and_biases: bool, layer_decay: float
) -> list[dict[str, Any]]:
    """Return a network's trainable parameters as groups, those of the head first.

    Args:
        network: The network; frozen parameters are left out.
        defaults: The optimizer's options, "lr" and perhaps "weight_decay" among them.
        decay_norms_and_biases: Apply weight decay to all parameters, not to weights only (`is_weight`). Biases and
            scales of norms are not regularized by decay (He et al., arXiv 1812.01187, section 3.1).
        layer_decay: Factor of the learning rate from each stage to the one before it: the head has the full rate, the
            last stage `layer_decay` times that (ELECTRA, arXiv 2003.10555; BEiT, arXiv 2106.08254). 1 gives one
            rate to all.

    Returns:
        Groups; an optimizer that has "hidden" among its options is told which are weights of hidden layers.
    """
    depths: dict[int, int] = {}
    for depth, stage in enumerate(reversed(stages(network)), start=1):
        depths |= {id(parameter): depth for parameter in stage.parameters()}
    weights = {id(weight) for _, weight in named_weights(network)}
    hidden = _hidden_weights(network, weights & depths.keys()) if HIDDEN in defaults else set()
    found: dict[tuple[int, bool, bool], dict[str, Any]] = {}
    for parameter in network.parameters():
        if not parameter.requires_grad:
            continue
        depth = depths.get(id(parameter), 0) if layer_decay != 1 else 0
        spared = id(parameter) not in weights and bool(defaults.get("weight_decay")) and not decay_norms_and_biases
        group = found.setdefault((depth, spared, id(parameter) in hidden), {"params": []})
        group["params"].append(parameter)
        if HIDDEN in defaults:
            group[HIDDEN] = id(parameter) in hidden
        if spared:
            group["weight_decay"] = 0.0
        if layer_decay != 1:
            group |= {FACTOR: layer_decay**depth, "lr": defaults["lr"] * layer_decay**depth}
    return [found[key] for key in sorted(found)]


def _hidden_weights(network: nn.Module, below_the_head: set[int]) -> set[int]:
    """Return which of the weights below the head multiply the values of a layer: not the rows of an embedding."""
    embeddings = [module for module in network.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag)]
    return below_the_head - {id(embedding.weight) for embedding in embeddings}


def keep_ratios(optimizer: Optimizer) -> None:
    """Give each group the first group's learning rate times the ratio of their factors.

    Many schedules set rates that are the same for all groups, or do so within another schedule. Rates whose ratio holds
    up to rounding stay as they are.
    """
    first, *others = optimizer.param_groups
    for group in others:
        rate = first["lr"] * (group.get(FACTOR, 1.0) / first.get(FACTOR, 1.0))
        if FACTOR in group and not math.isclose(group["lr"], rate):
            group["lr"] = rate
