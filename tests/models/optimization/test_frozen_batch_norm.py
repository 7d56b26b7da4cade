"""Batch norm in a second pass: what comes out is what training gives, and nothing is left of it."""

import copy

import pytest
import torch
from torch import nn

from models.optimization.frozen_batch_norm import frozen_batch_norm_statistics

LAYERS = [nn.BatchNorm1d(3), nn.BatchNorm1d(3, momentum=None)]


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_the_batch_normalises_itself_and_the_running_statistics_stay(layer):
    layer = copy.deepcopy(layer).train()
    inputs = 5 + torch.randn(8, 3, 4)
    layer(inputs)
    before, other = copy.deepcopy(layer.state_dict()), copy.deepcopy(layer)
    with frozen_batch_norm_statistics(nn.Sequential(layer)):
        outputs = layer(inputs + 1)
    assert torch.equal(outputs, other(inputs + 1))
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())
    layer(inputs + 1)
    assert all(torch.equal(value, layer.state_dict()[name]) for name, value in other.state_dict().items()), "later too"


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_a_layer_in_evaluation_mode_uses_its_statistics_as_ever(layer):
    layer = copy.deepcopy(layer)
    layer(5 + torch.randn(8, 3, 4))
    layer.eval()
    inputs = torch.randn(8, 3, 4)
    with frozen_batch_norm_statistics(layer):
        outputs = layer(inputs)
    assert torch.equal(outputs, layer(inputs))


def test_an_error_leaves_the_layers_as_they_were():
    layer = nn.BatchNorm1d(3)
    with pytest.raises(RuntimeError), frozen_batch_norm_statistics(layer):
        raise RuntimeError
    layer(torch.randn(8, 3))
    assert layer.num_batches_tracked == 1
