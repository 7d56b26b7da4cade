"""The weights of a network: the parameters that weight decay and penalties act on."""

import re
from collections.abc import Iterator

from torch import nn

NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
# Names of parameters of other layers that are added or scale one value each, though they have several dimensions.
OTHER_NAMES = re.compile(r"bias|scale|gamma|token|pos(ition)?_?emb|position", re.IGNORECASE)


def is_weight(module: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    """Return whether a parameter is a weight, which multiplies its layer's inputs, and not added or a scale of a norm.

    A parameter of one of torch's layers is a weight if it has two dimensions or more, unless the layer is a norm. One
    of another layer is judged by its shape and its name: layer scales, (C, 1, 1), have one dimension other than 1;
    class tokens and position embeddings, (1, S, D), are the same for all samples; neither is a weight.

    Args:
        module: The layer that has the parameter.
        name: The parameter's name in the layer.
        parameter: The parameter.
    """
    if parameter.ndim <= 1 or isinstance(module, NORMS) or OTHER_NAMES.search(name):
        return False
    if type(module).__module__.startswith("torch.nn.modules."):
        return True
    return parameter.shape[0] > 1 and sum(size > 1 for size in parameter.shape) > 1


def named_weights(network: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield the names and parameters of a network that are weights, in the order of `named_parameters`."""
    weights = {
        id(parameter)
        for module in network.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if is_weight(module, name, parameter)
    }
    yield from ((name, parameter) for name, parameter in network.named_parameters() if id(parameter) in weights)
