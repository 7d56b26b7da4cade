"""The stages of any network: parts that are frozen, unfrozen or given a learning rate as one."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from torch import nn

from models.networks.weights import named_weights

# Names of modules, in torchvision's networks and ours, that hold several stages and are not a stage themselves.
CONTAINERS = ("backbone", "blocks", "body", "classifier", "encoder", "features", "layers", "trunk_output")


@dataclass
class Stage:
    """A part of a network.

    Attributes:
        modules: Modules of the stage, none inside another.
        loose: Parameters that belong to none of these modules, such as a class token.
    """

    modules: list[nn.Module] = field(default_factory=list)
    loose: list[nn.Parameter] = field(default_factory=list)

    def parameters(self) -> list[nn.Parameter]:
        """Return all parameters of the stage."""
        return [*self.loose, *(parameter for module in self.modules for parameter in module.parameters())]

    def has_weights(self) -> bool:
        """Return whether any of its modules has weights: parameters other than biases and the scales of norms."""
        return any(True for module in self.modules for _ in named_weights(module))


def stages(network: nn.Module) -> list[Stage]:
    """Return a network's stages in order from the input, without the head.

    Each top-level module with weights is a stage, and so is each module with weights in a container (`features`,
    `encoder.layers`, ...). Modules without weights (norms, activations, dropout, pooling) belong to the stage before
    them, or to the first stage if none comes before. A ResNet has five stages: the stem and `layer1` to `layer4`; a
    vision transformer has the patch projection and one for each encoder block; VGG and MLP have one for each layer.
    """
    found: list[Stage] = []
    before = Stage()
    for part in _parts(network):
        if part.has_weights():
            found.append(part)
        else:
            last = found[-1] if found else before
            last.modules += part.modules
            last.loose += part.loose
    if found:
        found[0].modules[:0] = before.modules
        found[0].loose[:0] = before.loose
    return found


def _parts(network: nn.Module) -> Iterator[Stage]:
    yield Stage(loose=list(network.parameters(recurse=False)))
    for name, child in network.named_children():
        if name in CONTAINERS:
            yield from _parts(child)
        elif name != "head":
            yield Stage([child])
