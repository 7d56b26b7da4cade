"""SAM and ASAM against a few lines of plain torch, and what stands around their step."""

import copy
import functools
import math
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import LBFGS, SGD, AdamW
from torch.optim.lr_scheduler import OneCycleLR, StepLR

from models import SAM
from models.networks import MLP
from models.optimization.optimizers import build_optimizer

INPUTS, TARGETS = torch.randn(32, 8, generator=torch.Generator().manual_seed(1)), torch.arange(32) % 3
OPTIMIZERS = [
    functools.partial(SGD, lr=0.1, momentum=0.9, weight_decay=0.01),
    functools.partial(AdamW, lr=0.01, weight_decay=0.1),
]


def small_net(**options):
    torch.manual_seed(0)
    return MLP((8,), 3, [16], **options)


def take_step(optimizer, loss):
    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    return optimizer.step(closure)


def entropy(network):
    return F.cross_entropy(network(INPUTS), TARGETS)


def reference_step(network, optimizer, rho, adaptive):
    own, other = list(network.parameters()), copy.deepcopy(network)
    first = torch.autograd.grad(entropy(network), own)
    sizes = [p.detach().abs() + 0.01 if adaptive and p.ndim > 1 else torch.ones_like(p) for p in own]
    norm = math.sqrt(sum(float((t * g).square().sum()) for t, g in zip(sizes, first, strict=True)))
    with torch.no_grad():
        for p, t, g in zip(other.parameters(), sizes, first, strict=True):
            p += rho * t**2 * g / norm
    second = torch.autograd.grad(entropy(other), list(other.parameters()))
    for p, g in zip(own, second, strict=True):
        p.grad = g
    optimizer.step()


@pytest.mark.parametrize("factory", OPTIMIZERS)
@pytest.mark.parametrize(("rho", "adaptive"), [(0.05, False), (0.5, False), (0.5, True)])
def test_five_steps_are_those_of_plain_torch(factory, rho, adaptive):
    ours, theirs = small_net(), small_net()
    wrapped = SAM(build_optimizer(factory, ours, False), rho, adaptive)
    plain = build_optimizer(factory, theirs, False)
    for _ in range(5):
        take_step(wrapped, lambda: entropy(ours))
        reference_step(theirs, plain, rho, adaptive)
    for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(own, other)


def test_a_step_on_a_quadratic_is_the_one_worked_out_by_hand():
    curvature = torch.tensor([1.0, 4.0])
    weight = nn.Parameter(torch.tensor([3.0, 1.0]))
    loss = take_step(SAM(SGD([weight], lr=0.1), rho=0.5), lambda: (curvature * weight**2).sum() / 2)
    # g = (3, 4), so ε = (0.3, 0.4) and the gradient there is (3.3, 5.6)
    torch.testing.assert_close(weight.detach(), torch.tensor([3 - 0.33, 1 - 0.56]))
    assert loss == (9 + 4) / 2, "the loss is that at the weights"


@pytest.mark.parametrize("adaptive", [False, True])
def test_weights_come_back_bit_for_bit(adaptive):
    network = small_net()
    before = copy.deepcopy(network.state_dict())
    seen = []
    optimizer = SAM(SGD(network.parameters(), lr=0.0), rho=1.0, adaptive=adaptive)

    def loss():
        seen.append(copy.deepcopy(network.state_dict()))
        return entropy(network)

    take_step(optimizer, loss)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(torch.equal(seen[1][name], before[name]) for name in ("head.weight", "head.bias")), "moved between"


def test_an_error_in_the_second_pass_leaves_the_weights_where_they_were():
    weight = nn.Parameter(torch.tensor([3.0, 1.0]))
    losses = [lambda: weight.sum(), lambda: (_ for _ in ()).throw(RuntimeError)]
    with pytest.raises(RuntimeError):
        take_step(SAM(SGD([weight], lr=0.1)), lambda: losses.pop(0)())
    assert weight.tolist() == [3.0, 1.0]


def test_both_passes_draw_the_same_numbers_and_leave_the_generators_where_one_pass_does():
    weight, drawn = nn.Parameter(torch.ones(3)), []

    def loss():
        drawn.append((F.dropout(torch.ones(50), 0.5).tolist(), random.random(), np.random.rand()))  # noqa: NPY002
        return weight.sum()

    torch.manual_seed(0)
    F.dropout(torch.ones(50), 0.5)
    expected = torch.get_rng_state()
    torch.manual_seed(0)
    take_step(SAM(SGD([weight], lr=0.1)), loss)
    assert drawn[0] == drawn[1]
    assert torch.equal(torch.get_rng_state(), expected)


def test_a_parameter_without_gradient_stays_and_one_with_a_gradient_of_zero_does_no_harm():
    unused, flat = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    take_step(SAM(SGD([unused, flat], lr=0.1)), lambda: (0 * flat).sum())
    assert unused.tolist() == flat.tolist() == [1, 1]


@pytest.mark.parametrize("factory", OPTIMIZERS)
def test_its_state_is_the_wrapped_optimizers_and_can_be_given_to_another(factory):
    network, fresh = small_net(), small_net()
    optimizer, other = (SAM(build_optimizer(factory, net, False)) for net in (network, fresh))
    for _ in range(2):
        take_step(optimizer, lambda: entropy(network))
    state = copy.deepcopy(optimizer.state_dict())
    assert state.keys() == optimizer.optimizer.state_dict().keys()
    fresh.load_state_dict(network.state_dict())
    other.load_state_dict(state)
    for group in (*optimizer.param_groups, *other.param_groups):
        group["lr"] /= 2
    for _ in range(2):
        take_step(optimizer, lambda: entropy(network))
        take_step(other, lambda: entropy(fresh))
    for own, resumed in zip(network.parameters(), fresh.parameters(), strict=True):
        assert torch.equal(own, resumed)


@pytest.mark.parametrize(
    "schedule", [functools.partial(StepLR, step_size=1), functools.partial(OneCycleLR, max_lr=0.5, total_steps=9)]
)
@pytest.mark.filterwarnings("error")  # torch warns of a schedule that sees no optimizer step
def test_schedules_and_groups_act_on_the_wrapped_optimizer(schedule):
    network, plain = small_net(), SGD([nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    optimizer = SAM(build_optimizer(OPTIMIZERS[0], network, False))
    schedules = [schedule(optimizer), schedule(plain)]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0]
    for _ in range(3):
        take_step(optimizer, lambda: entropy(network))
        plain.step()
        for one in schedules:
            one.step()
        for key in ("lr", "momentum"):
            assert optimizer.optimizer.param_groups[0][key] == plain.param_groups[0][key]


@pytest.mark.parametrize("rho", [0, -0.1, math.nan, math.inf])
def test_a_radius_that_is_none_is_refused(rho):
    with pytest.raises(ValueError, match=f"^SAM: rho {rho} is not a number above 0"):
        SAM(SGD([nn.Parameter(torch.ones(1))], lr=0.1), rho)


@pytest.mark.parametrize("factory", [LBFGS, lambda parameters: SAM(SGD(parameters, lr=0.1))])
def test_an_optimizer_that_calls_the_closure_itself_is_refused(factory):
    with pytest.raises(ValueError, match=r"^SAM: (LBFGS|SAM) evaluates the loss itself"):
        SAM(factory([nn.Parameter(torch.ones(1))]))


def test_a_step_without_closure_is_refused():
    with pytest.raises(ValueError, match=r"^SAM: step needs a closure"):
        SAM(SGD([nn.Parameter(torch.ones(1))], lr=0.1)).step()
