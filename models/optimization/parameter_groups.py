"""Parameter groups: parameters that weight decay spares, and learning rates that fall from the head downwards."""

from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from models.networks.stages import stages
from models.networks.weights import named_weights

FACTOR = "lr_factor"  # key of a group: its learning rate as a fraction of the head's


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
    """
    depths: dict[int, int] = {}
    for depth, stage in enumerate(reversed(stages(network)), start=1):
        depths |= {id(parameter): depth for parameter in stage.parameters()}
    weights = {id(weight) for _, weight in named_weights(network)}
    found: dict[tuple[int, bool], dict[str, Any]] = {}
    for parameter in network.parameters():
        if not parameter.requires_grad:
            continue
        depth = depths.get(id(parameter), 0) if layer_decay != 1 else 0
        spared = id(parameter) not in weights and bool(defaults.get("weight_decay")) and not decay_norms_and_biases
        group = found.setdefault((depth, spared), {"params": []})
        group["params"].append(parameter)
        if spared:
            group["weight_decay"] = 0.0
        if layer_decay != 1:
            group |= {FACTOR: layer_decay**depth, "lr": defaults["lr"] * layer_decay**depth}
    return [found[key] for key in sorted(found)]


def scale_group_rates(schedule: LRScheduler, optimizer: Optimizer) -> None:
    """Scale the learning rates that a schedule sets itself, the same for all groups, by each group's factor.

    Raises:
        ValueError: It has a minimum rate that cannot differ between groups.
    """
    factors = [group.get(FACTOR, 1.0) for group in optimizer.param_groups]
    if any(factor != 1 for factor in factors) and getattr(schedule, "eta_min", 0.0) > 0:
        raise ValueError(
            f"model.layer_decay: the eta_min of {type(schedule).__name__} is the same for all layers and would raise "
            f"the rates of the lower ones; set it to 0"
        )
    if isinstance(schedule, ReduceLROnPlateau):
        schedule.min_lrs = [rate * factor for rate, factor in zip(schedule.min_lrs, factors, strict=True)]
    if isinstance(schedule, CyclicLR):
        schedule.base_lrs = [rate * factor for rate, factor in zip(schedule.base_lrs, factors, strict=True)]
        schedule.max_lrs = [rate * factor for rate, factor in zip(schedule.max_lrs, factors, strict=True)]
    if isinstance(schedule, CyclicLR | OneCycleLR):
        for group, factor in zip(optimizer.param_groups, factors, strict=True):
            group |= {key: group[key] * factor for key in ("lr", "initial_lr", "max_lr", "min_lr") if key in group}
