"""Weights are what multiplies a layer's inputs: not biases, norms, layer scales, tokens or position embeddings."""

import functools

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torchvision import models
from torchvision.models.convnext import CNBlockConfig

from models.networks import CNN, MLP, AlexNet, Recurrent, ResNet
from models.networks.weights import named_weights
from models.optimization.optimizers import build_optimizer
from models.regularizers.weight_penalties import matching_weights

TORCHVISION = [
    functools.partial(models.ConvNeXt, [CNBlockConfig(32, 64, 1), CNBlockConfig(64, None, 1)]),
    functools.partial(models.VisionTransformer, 32, 16, 2, 2, 32, 64),
    functools.partial(models.SwinTransformer, [4, 4], 24, [1, 1], [2, 2], [4, 4]),
    models.mobilenet_v3_small,
]
OURS = [
    functools.partial(MLP, (4,), 2, [4], norm="batch"),
    functools.partial(CNN, (1, 16, 16), 3),
    functools.partial(ResNet, (3, 8, 8), 10, depth=20, norm="group"),
    functools.partial(AlexNet, (3, 64, 64), 10),
    functools.partial(Recurrent, (7, 3), 2, hidden_size=4),
]
LAYERS = (nn.Linear, nn.Conv2d, nn.MultiheadAttention, nn.RNNBase)


def multiplied(network):
    """Return the names of the matrices and kernels of layers, found by the layers' kinds."""
    return {
        f"{path}.{name}".lstrip(".")
        for path, module in network.named_modules()
        if isinstance(module, LAYERS)
        for name, parameter in module.named_parameters(recurse=False)
        if "weight" in name and "bias" not in name
    }


@pytest.mark.parametrize("make", TORCHVISION + OURS)
def test_weights_are_the_matrices_and_kernels_of_layers(make):
    network = make()
    found = {name for name, _ in named_weights(network)}
    assert found == multiplied(network) != set()
    assert set(matching_weights(network)) == found


@pytest.mark.parametrize("make", TORCHVISION)
def test_weight_decay_acts_on_weights_alone(make):
    network = make()
    optimizer = build_optimizer(functools.partial(torch.optim.AdamW, weight_decay=0.1), network, False)
    decayed = {id(p) for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]}
    named = dict(network.named_parameters())
    assert {name for name, parameter in named.items() if id(parameter) in decayed} == multiplied(network)


class Own(nn.Module):
    """Layers of a user's own."""

    def __init__(self):
        super().__init__()
        self.matrix = nn.Parameter(torch.ones(3, 4))
        self.offset = nn.Parameter(torch.ones(3, 1))
        self.cls_token = nn.Parameter(torch.ones(2, 4))
        self.gamma = nn.Parameter(torch.ones(3, 4))
        self.head = weight_norm(nn.Linear(4, 3))
        self.norm = nn.LayerNorm((3, 8, 8))
        self.table = nn.Embedding(5, 4)
        self.single = nn.Linear(4, 1)


def test_the_parameters_of_other_layers_are_judged_by_shape_and_name():
    found = [name for name, _ in named_weights(Own())]
    assert found == ["matrix", "head.parametrizations.weight.original1", "table.weight", "single.weight"]


def test_a_shared_weight_is_one_weight():
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    network[1].weight = network[0].weight
    assert [name for name, _ in named_weights(network)] == ["0.weight"]
