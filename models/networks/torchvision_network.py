"""torchvision's classification networks by name, their published weights, and what those want of an image."""

import pickle
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
import torchvision.models
from torch import nn
from torchvision.models import SqueezeNet, WeightsEnum

from models.networks.input_transform import Preprocessing, Resize

INCEPTIONS = ("googlenet", "inception_v3")
AUXILIARY = ("AuxLogits", "aux1", "aux2")  # their classifiers within, which are no part of transfer


def published_weights(architecture: str, name: str) -> WeightsEnum:
    """Return published weights by their name, "DEFAULT" among them.

    Raises:
        ValueError: torchvision has no such classification network, or no such weights for it.
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
    """Build a network as given weights want it, and load them if asked to.

    Args:
        architecture: Its name.
        published: The weights.
        load: Load them, from torchvision's cache or its server, rather than begin at random.

    Raises:
        ValueError: The weights are not on this machine and cannot be downloaded, or are damaged.
    """
    options: dict[str, Any] = {}
    if architecture in INCEPTIONS and not load:
        options = {"transform_input": True, "init_weights": True}  # as torchvision does where it loads weights
    if architecture.startswith("vit"):
        options["image_size"] = published.meta["min_size"][0]
    try:
        network: nn.Module = torchvision.models.get_model(
            architecture, weights=published if load else None, progress=sys.stderr.isatty(), **options
        )
    except OSError as error:
        raise ValueError(
            f"weights: {architecture}'s {published.name} is not on this machine and cannot be downloaded ({error}); "
            f"fetch {published.url} elsewhere and give the file as weights"
        ) from error
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"weights: {architecture}'s {published.name} is damaged ({reason}); delete {_cached(published)}"
        ) from error
    for name in AUXILIARY:
        if hasattr(network, name):
            network.aux_logits = False  # type: ignore[assignment]
            setattr(network, name, None)
    return network


def published_preprocessing(published: WeightsEnum, resize: Resize) -> Preprocessing:
    """Return the preprocessing of given weights.

    Args:
        published: The weights.
        resize: Height and width to resize to, "weights" for what they were trained with, None for none.
    """
    transforms = published.transforms()
    size = transforms.crop_size[0] if resize == "weights" else resize
    return Preprocessing(transforms.mean, transforms.std, size, transforms.interpolation.value)


def cut_head(network: nn.Module) -> tuple[str, int]:
    """Put an identity in the place of a network's last linear layer, whatever it is called.

    SqueezeNet ends in a convolution and a mean; the mean comes first then, and the new head is linear as elsewhere.

    Returns:
        The layer's name, and how many features it took.

    Raises:
        ValueError: There is no such layer.
    """
    if isinstance(network, SqueezeNet):
        dropout, convolution = network.classifier[0], network.classifier[1]
        network.classifier = nn.Sequential(dropout, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return "classifier.1", convolution.in_channels
    named = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    if not named:
        raise ValueError(f"architecture: {type(network).__name__} has no linear layer that could be its head")
    name, layer = named[-1]
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, nn.Identity())
    return name, layer.in_features


def _cached(published: WeightsEnum) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(published.url).name


def _hint(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
