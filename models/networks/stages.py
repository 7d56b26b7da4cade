"""The stages of a network, counted alike whoever wrote it: what is frozen, unfrozen or slowed down as one."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from torch import nn

# Names under which networks, torchvision's and ours, keep a row of stages that are no stage themselves.
CONTAINERS = ("backbone", "blocks", "body", "classifier", "encoder", "features", "layers", "trunk_output")


@dataclass
class Stage:
    """A part of a network.

    Attributes:
        modules: Its modules, none inside another.
        loose: Parameters of its that are no module's here, such as a class token.
    """

    modules: list[nn.Module] = field(default_factory=list)
    loose: list[nn.Parameter] = field(default_factory=list)

    def parameters(self) -> list[nn.Parameter]:
        """Return all its parameters."""
        return [*self.loose, *(parameter for module in self.modules for parameter in module.parameters())]

    def has_weights(self) -> bool:
        """Return whether a module of its has weights: parameters other than biases and the scales of norms."""
        return any(parameter.ndim > 1 for module in self.modules for parameter in module.parameters())


def stages(network: nn.Module) -> list[Stage]:
    """Return a network's stages from the input to the head, which is none of them.

    A stage is a top-level module with weights; where modules lie in a container (`features`, `encoder.layers` and the
    like), each of those. What has no weights (norms, activations, dropout, pooling) belongs to the stage before it, and
    what stands before the first stage to the first. A ResNet has five: the stem and `layer1` to `layer4`; a vision
    transformer has its patch projection and one for each encoder block; VGG and MLP have one for each layer.
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
