"""Every network of this project records its arguments and can be rebuilt from them."""

import functools

import pytest
import torch
from jsonargparse import ArgumentParser
from torch import nn

import models.networks
from models.init_args import to_config
from models.networks import Network, Pretrained

OTHERS = ("Network", "TokenRecurrent", "TableMLP")  # take no images; tests of their own
KINDS = [getattr(models.networks, name) for name in models.networks.__all__ if name not in OTHERS]
OPTIONS = {
    "AlexNet": {"width": 32, "dropout": 0.1},
    "CNN": {"norm": "group", "drop_block": 0.1},
    "Linear": {},
    "MLP": {"widths": [7, 5], "activation": "gelu"},
    "Pretrained": {
        "architecture": functools.partial(models.networks.ResNet, depth=20),
        "weights": None,
        "train": "last:1",
        "resize": 16,
    },
    "Recurrent": {"cell": "gru", "hidden_size": 6, "layers": 2, "dropout": 0.2},
    "ResNet": {"depth": 20, "shortcut": "projection", "norm": "layer"},
    "SpeedrunCNN": {"widths": [4, 8], "logit_scale": 0.5},
    "TinyConv": {"channels": 4, "activation": "relu"},
}


def build(kind: type[Network]) -> Network:
    return kind((1, 32, 32), 3, **OPTIONS[kind.__name__])


def rebuild(network: Network) -> Network:
    """Build a network from its arguments, as the command line builds it from a recipe."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("network", type=Network)
    return parser.instantiate(parser.parse_object({"network": to_config(network)})).network


def shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def test_every_network_is_tried_here():
    assert {kind.__name__ for kind in KINDS} == set(OPTIONS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_ends_in_a_linear_head_and_leaves_normalising_to_the_task(kind):
    network = build(kind)
    assert isinstance(network, Network)
    assert isinstance(network.head, nn.Linear)
    assert network(torch.rand(2, 1, 32, 32)).shape == (2, 3)
    assert network.normalizes_inputs is False


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_records_its_arguments_and_is_rebuilt_from_them(kind):
    network = build(kind)
    assert network.init_args == {"input_shape": (1, 32, 32), "num_classes": 3} | OPTIONS[kind.__name__]
    made = rebuild(network)
    assert type(made) is kind
    assert shapes(made) == shapes(network)
    assert repr(made) == repr(network)


def test_a_rebuilt_pretrained_network_is_frozen_as_before():
    network = build(Pretrained)
    made = rebuild(network)
    assert [p.requires_grad for p in made.parameters()] == [p.requires_grad for p in network.parameters()]
