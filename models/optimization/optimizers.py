"""Optimizers, as a task builds them from the factories that YAML or a notebook gives.

Weight decay is coupled (part of the gradient, like an L2 penalty) in torch's SGD, Adam, RMSprop and most others; where
the optimizer rescales gradients, weights with large gradients decay less. It is decoupled (weights shrink by
lr · weight_decay per step, apart from the gradient) in AdamW, Adafactor and Muon, and in Adam, NAdam and RAdam with
`decoupled_weight_decay` (Loshchilov & Hutter, arXiv 1711.05101). The same value means different strengths.
"""

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn
from torch.optim import AdamW, Optimizer

from models.optimization.factories import call_factory
from models.optimization.fused import fuse
from models.optimization.parameter_groups import parameter_groups

OptimizerFactory = Callable[[Iterable[Any]], Optimizer]
OptimizerWrapper = Callable[[Optimizer], Optimizer]


def build_optimizer(
    factory: OptimizerFactory | None, network: nn.Module, decay_norms_and_biases: bool, layer_decay: float = 1.0
) -> Optimizer:
    """Build an optimizer over a network's trainable parameters, which steps in one kernel where torch has one.

    Args:
        factory: Makes the optimizer from parameters or parameter groups; None is `AdamW` with its defaults.
        network: The network; frozen parameters are left out.
        decay_norms_and_biases: Apply weight decay to norms and biases too, as in `parameter_groups`.
        layer_decay: Factor of the learning rate from each stage of the network to the one before it, as in
            `parameter_groups`.

    Raises:
        ValueError: Every parameter is frozen, or the optimizer does not take the groups it needs.
    """
    factory = AdamW if factory is None else factory
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not trainable:
        raise ValueError("the network has no trainable parameter")
    optimizer: Optimizer = call_factory("model.optimizer", factory, trainable)
    groups = parameter_groups(network, optimizer.defaults, decay_norms_and_biases, layer_decay)
    if len(groups) > 1 or groups[0].keys() != {"params"}:
        optimizer = call_factory("model.optimizer", factory, groups)
    fuse(optimizer, network)
    return optimizer


def wrap_optimizer(wrapper: OptimizerWrapper, optimizer: Optimizer) -> Optimizer:
    """Build an optimizer around another.

    Args:
        wrapper: Makes it from the other, for example `SAM`.
        optimizer: The other.

    Raises:
        ValueError: The wrapper does not take an optimizer, or refuses this one.
    """
    wrapped: Optimizer = call_factory("model.optimizer_wrapper", wrapper, optimizer)
    return wrapped
