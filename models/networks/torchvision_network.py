"""torchvision's classification networks by name, their published weights, and the inputs that these expect."""

import pickle
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torchvision.models
from torch import nn
from torchvision.models import SqueezeNet, WeightsEnum

from models.networks.input_transform import InputTransform, Resize

INCEPTION_NETWORKS = ("googlenet", "inception_v3")
AUXILIARY_HEADS = ("AuxLogits", "aux1", "aux2")  # classifiers inside the Inception networks, useless for transfer


def published_weights(architecture: str, name: str) -> WeightsEnum:
    """Return published weights by their name, which may be "DEFAULT".

    Raises:
        ValueError: torchvision does not have this classification network, or these weights for it.
    """
    known = torchvision.models.list_models(module=torchvision.models)
    if architecture not in known:
        raise ValueError(
            f"architecture: torchvision has no classification network {architecture!r}{_hint(architecture, known)}"
        )
    weights = torchvision.models.get_model_weights(architecture)
    if name not in weights.__members__:
        names = ", ".join(weights.__members__)
        raise ValueError(
            f"weights: {architecture} has none called {name!r}; there are {names}; or give a file (.pt, .pth, .th, "
            f".safetensors, .ckpt)"
        )
    found: WeightsEnum = weights[name]
    return found


def build_network(architecture: str, published: WeightsEnum, load: bool) -> nn.Module:
    """Build a network for given weights, without auxiliary heads.

    Args:
        architecture: Name of the network.
        published: The weights.
        load: Load the weights, from torchvision's cache or its server; otherwise they are random.

    Raises:
        ValueError: The weights are not on this machine and cannot be downloaded, or are damaged.
    """
    options: dict[str, Any] = {}
    if architecture in INCEPTION_NETWORKS and not load:
        options = {"transform_input": True, "init_weights": True}  # as torchvision does when it loads weights
    if architecture.startswith("vit"):
        options["image_size"] = published.meta["min_size"][0]
    try:
        network: nn.Module = torchvision.models.get_model(
            architecture, weights=published if load else None, progress=sys.stderr.isatty(), **options
        )
    except OSError as error:
        raise ValueError(
            f"weights: {architecture}'s {published.name} is not on this machine and cannot be downloaded ({error}); "
            f"download {published.url} elsewhere and copy it to {_cached(published)}"
        ) from error
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"weights: {architecture}'s {published.name} is damaged ({reason}); delete {_cached(published)}"
        ) from error
    for name in AUXILIARY_HEADS:
        if hasattr(network, name):
            network.aux_logits = False  # type: ignore[assignment]
            setattr(network, name, None)
    return network


def published_transform(published: WeightsEnum, resize: Resize, normalize: bool) -> InputTransform:
    """Return the transform of images for given weights.

    Args:
        published: The weights.
        resize: Height and width to resize to; "weights" is the size that the weights were trained with, None does not
            resize.
        normalize: Normalise by the statistics that the weights were trained with.
    """
    expected = published.transforms()
    size = expected.crop_size[0] if resize == "weights" else resize
    channels = len(expected.mean)
    mean, std = (expected.mean, expected.std) if normalize else ([0.0] * channels, [1.0] * channels)
    return InputTransform(mean, std, size, expected.interpolation.value)


class Cut(NamedTuple):
    """The last layer that was cut off a network.

    Attributes:
        name: Its name.
        features: Number of its inputs.
        layer: The layer; None if the network's end was another than a linear layer.
    """

    name: str
    features: int
    layer: nn.Linear | None


def cut_head(network: nn.Module) -> Cut:
    """Replace a network's last linear layer, whatever its name, by an identity.

    SqueezeNet ends in a convolution and a mean. Here the mean comes first, so that its new head is linear too.

    Raises:
        ValueError: The network has no linear layer.
    """
    if isinstance(network, SqueezeNet):
        dropout, convolution = network.classifier[0], network.classifier[1]
        network.classifier = nn.Sequential(dropout, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return Cut("classifier.1", convolution.in_channels, None)
    named = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    if not named:
        raise ValueError(f"architecture: {type(network).__name__} has no linear layer that could be its head")
    name, layer = named[-1]
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, nn.Identity())
    return Cut(name, layer.in_features, layer)


def _cached(published: WeightsEnum) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(published.url).name


def _hint(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
