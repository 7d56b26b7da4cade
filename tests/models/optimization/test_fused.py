"""One kernel for all parameters: the same updates, and only where it fits."""

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, RMSprop

from models.optimization.optimizers import build_optimizer

FACTORIES = [
    partial(SGD, lr=0.1, momentum=0.9),
    partial(SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-2),
    partial(SGD, lr=0.1, momentum=0.9, maximize=True),
    partial(Adam, lr=0.01, weight_decay=1e-2),
    partial(AdamW, lr=0.01, amsgrad=True),
]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def train(net: nn.Sequential, optimizer: torch.optim.Optimizer, steps: int = 6, begin: int = 0) -> None:
    for step in range(begin, steps):
        torch.manual_seed(step)
        net[2].requires_grad_(step >= 3)  # unfrozen later
        optimizer.zero_grad()
        net(torch.rand(5, 6).double()).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("decay_all", [True, False])
def test_updates_are_those_of_torchs_loop(factory, decay_all) -> None:
    one, other = network(), network()
    ours = build_optimizer(factory, one, decay_all)
    assert all(group["fused"] for group in ours.param_groups)
    theirs = build_optimizer(partial(factory, fused=False), other, decay_all)
    assert not any(group["fused"] for group in theirs.param_groups)
    train(one, ours)
    train(other, theirs)
    torch.testing.assert_close(one.state_dict(), other.state_dict(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_resumed_optimizer_goes_on_bit_for_bit(factory) -> None:
    whole = network()
    optimizer = build_optimizer(factory, whole, False)
    train(whole, optimizer, 2)
    resumed = network()
    resumed.load_state_dict(whole.state_dict())
    again = build_optimizer(factory, resumed, False)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(whole, optimizer, 6, 2)
    train(resumed, again, 6, 2)
    torch.testing.assert_close(whole.state_dict(), resumed.state_dict(), rtol=0, atol=0)


def test_an_optimizer_that_began_without_goes_on_without() -> None:
    old = build_optimizer(partial(SGD, lr=0.1, momentum=0.9, fused=False), network(), True)
    net = network()
    new = build_optimizer(partial(SGD, lr=0.1, momentum=0.9), net, True)
    new.load_state_dict(old.state_dict())
    assert not new.param_groups[0]["fused"]
    train(net, new)


@pytest.mark.parametrize(
    "factory",
    [
        partial(AdamW, foreach=True),
        partial(AdamW, fused=False),
        partial(SGD, lr=0.1, momentum=0.9, dampening=0.5),
        partial(RMSprop, lr=0.1),
        partial(SGD, lr=0.1),  # a schedule may raise its momentum later
    ],
)
def test_what_is_chosen_or_has_no_such_kernel_stays(factory) -> None:
    net = network()
    optimizer = build_optimizer(factory, net, True)
    assert not optimizer.param_groups[0].get("fused")
    train(net, optimizer)


def test_sparse_gradients_and_lazy_layers_are_stepped_as_before() -> None:
    net = nn.Sequential(nn.Embedding(5, 3, sparse=True), nn.Flatten(), nn.Linear(6, 2))
    optimizer = build_optimizer(partial(SGD, lr=0.1), net, True)
    net(torch.tensor([[0, 1]])).sum().backward()
    optimizer.step()
    lazy = nn.Sequential(nn.LazyLinear(3))
    optimizer = build_optimizer(partial(SGD, lr=0.1, momentum=0.9), lazy, True)
    lazy(torch.rand(2, 4)).sum().backward()
    optimizer.step()


@pytest.mark.parametrize("factory", FACTORIES)
def test_half_precision_on_a_cpu_is_stepped_as_before(factory) -> None:
    net = network().bfloat16()
    assert not build_optimizer(factory, net, True).param_groups[0]["fused"]


def test_weights_with_gaps_in_memory_are_stepped_as_before() -> None:
    weight = nn.Parameter(torch.arange(12.0).view(3, 4)[:, ::2])
    net = nn.Module()
    net.weight = weight
    optimizer = build_optimizer(partial(SGD, lr=1.0, momentum=0.9), net, True)
    before = weight.detach().clone()
    weight.sum().backward()
    optimizer.step()
    torch.testing.assert_close(weight.detach(), before - 1)
