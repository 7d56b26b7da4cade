"""Optimizers over the parameters that train, with weight decay where it belongs."""

import functools

import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adam, AdamW

from models.networks import CNN, MLP
from models.optimization.optimizers import build_optimizer

adamw = functools.partial(AdamW, lr=0.1, weight_decay=0.5)


def names(network, parameters):
    return {name for name, own in network.named_parameters() if any(own is parameter for parameter in parameters)}


def test_weight_decay_spares_biases_and_norms():
    network = CNN((1, 16, 16), 10)
    decayed, plain = build_optimizer(adamw, network, decay_norms_and_biases=False).param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.5, 0)
    assert names(network, decayed["params"]) == {
        "features.0.weight", "features.4.weight", "body.0.weight", "body.3.weight", "head.weight"
    }  # fmt: skip
    everything = names(network, decayed["params"]) | names(network, plain["params"])
    assert everything == {name for name, _ in network.named_parameters()}
    assert decayed["lr"] == plain["lr"] == 0.1


def test_weight_decay_acts_on_all_parameters_when_asked():
    (group,) = build_optimizer(adamw, CNN((1, 16, 16), 10), decay_norms_and_biases=True).param_groups
    assert (group["weight_decay"], len(group["params"])) == (0.5, 14)


def test_one_step_with_no_gradient_shrinks_weights_and_leaves_biases():
    network = nn.Linear(3, 2)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    optimizer = build_optimizer(functools.partial(SGD, lr=0.1, weight_decay=0.5), network, False)
    (0 * network(torch.ones(1, 3)).sum()).backward()
    optimizer.step()
    torch.testing.assert_close(network.weight.detach(), before[0] * (1 - 0.1 * 0.5))
    assert torch.equal(network.bias, before[1])


@pytest.mark.parametrize("factory", [SGD, Adam, LBFGS])
def test_an_optimizer_without_weight_decay_gets_one_group(factory):
    network = MLP((8,), 2, [4])
    (group,) = build_optimizer(factory, network, decay_norms_and_biases=False).param_groups
    assert len(group["params"]) == 4


def test_no_optimizer_means_adamw_with_torchs_defaults():
    optimizer = build_optimizer(None, MLP((8,), 2), decay_norms_and_biases=False)
    assert isinstance(optimizer, AdamW)
    assert optimizer.param_groups[0]["lr"] == AdamW([torch.ones(1)]).defaults["lr"]


def test_frozen_parameters_are_left_out():
    network = MLP((8,), 2, [4])
    network.body.requires_grad_(False)
    optimizer = build_optimizer(adamw, network, decay_norms_and_biases=False)
    trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert names(network, trained) == {"head.weight", "head.bias"}


def test_a_network_with_nothing_to_train_is_refused():
    with pytest.raises(ValueError, match="no trainable parameter"):
        build_optimizer(None, MLP((8,), 2).requires_grad_(False), decay_norms_and_biases=False)


def test_a_value_that_an_optimizer_refuses_is_laid_to_its_argument():
    with pytest.raises(ValueError, match=r"model\.optimizer \(SGD\): .* -1"):
        build_optimizer(functools.partial(SGD, lr=-1), nn.Linear(2, 2), True)
