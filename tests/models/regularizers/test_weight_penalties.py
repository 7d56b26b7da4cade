"""Penalties on weights act on the weights they should, as their papers say, and on nothing else."""

import copy
import functools

import pytest
import torch
from torch import nn

from models import Classifier
from models.networks import CNN, MLP
from models.regularizers import L1, L2, ElasticNet, MaxNorm, Orthogonality, Step
from models.regularizers.orthogonality import orthogonality_gap

PENALTIES = [L1(0.1), L2(0.1), ElasticNet(0.1, 0.3), Orthogonality(0.1, units=None)]
NORMS = ("features.1.weight", "features.5.weight")


def network():
    torch.manual_seed(0)
    return CNN((1, 16, 16), 3)


def weights(network):
    named = network.named_parameters()
    return [parameter for name, parameter in named if name.endswith("weight") and name not in NORMS]


def gap(weight):
    rows = weight.flatten(1)
    gram = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    return (gram - torch.eye(len(gram))).pow(2).sum()


def of_the_paper(penalty, network):
    found = weights(network)
    absolute, squares = sum(w.abs().sum() for w in found), sum(w.pow(2).sum() for w in found)
    return {
        L1: lambda: 0.1 * absolute,
        L2: lambda: 0.05 * squares,
        ElasticNet: lambda: 0.03 * absolute + 0.035 * squares,
        Orthogonality: lambda: 0.1 * sum(gap(w) for w in found),
    }[type(penalty)]()


def cost(penalty, network):
    return penalty.penalty(Step(torch.zeros(1, 8), torch.zeros(1, 3), torch.zeros(1, 3), network, network))


def slopes(value, network):
    return torch.autograd.grad(value, list(network.parameters()), allow_unused=True)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_value_and_slopes_are_the_papers_and_biases_and_norms_are_spared(penalty):
    made = network()
    value, expected = cost(penalty, made), of_the_paper(penalty, made)
    torch.testing.assert_close(value, expected)
    names = [name for name, _ in made.named_parameters()]
    for name, slope, reference in zip(names, slopes(value, made), slopes(expected, made), strict=True):
        assert (slope is None) == (reference is None) == (name.endswith("bias") or name in NORMS)
        torch.testing.assert_close(slope, reference)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_frozen_weights_are_spared(penalty):
    made = network()
    for parameter in made.features.parameters():
        parameter.requires_grad_(False)
    found = [name for name, weight in made.named_parameters() if weight.requires_grad and weight.ndim > 1]
    chosen = copy.deepcopy(penalty)
    chosen.pattern = "^(body|head)"
    assert torch.equal(cost(penalty, made), cost(chosen, network()))
    assert found == ["body.0.weight", "body.3.weight", "head.weight"]


@pytest.mark.parametrize("kind", [L1, L2, ElasticNet, Orthogonality, MaxNorm])
def test_weights_that_are_all_frozen_are_warned_about_and_cost_nothing(kind):
    made = network().requires_grad_(False)
    made.head.bias.requires_grad_()
    with pytest.warns(UserWarning, match=f"{kind.__name__}: all its weights are frozen"):
        kind().setup(made, 3, ())
    assert cost(kind(), made) is None


@pytest.mark.parametrize("kind", [L1, L2, ElasticNet, Orthogonality])
def test_a_coefficient_of_zero_is_off_and_draws_nothing(kind):
    made, state = MLP((128,), 128, [128]), torch.get_rng_state()
    assert cost(kind(0.0), made) is None
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_in_mixed_precision_they_are_computed_in_single(penalty):
    made = network()
    with torch.autocast("cpu", torch.bfloat16):
        value = cost(penalty, made)
    assert value.dtype == torch.float32
    assert torch.equal(value, cost(penalty, made))


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_slopes_of_other_types_and_of_zero_weights_are_finite(penalty, kind):
    made = network().to(kind)
    nn.init.zeros_(made.head.weight)
    cost(penalty, made).backward()
    assert all(weight.grad.isfinite().all() and weight.grad.dtype == kind for weight in weights(made))
    assert made.head.weight.grad.abs().sum() == 0


def test_l2_is_the_coupled_weight_decay_of_sgd():
    steps = []
    for coefficient, decay in ((0.01, 0.0), (0.0, 0.01)):
        made, penalty = MLP((4,), 3), L2(coefficient)
        torch.manual_seed(0)
        for parameter in made.parameters():
            nn.init.normal_(parameter)
        found = [parameter for parameter in made.parameters() if parameter.ndim > 1]
        optimizer = torch.optim.SGD(found, lr=0.1, momentum=0.9, weight_decay=decay)
        for _ in range(3):
            optimizer.zero_grad()
            loss = made(torch.ones(2, 4)).square().mean()
            (loss + (cost(penalty, made) or 0)).backward()
            optimizer.step()
        steps.append(torch.cat([weight.flatten() for weight in found]))
    torch.testing.assert_close(*steps)


def test_l1_makes_weights_smaller_that_the_data_do_not_need(fit):
    def edge(*regularizers):
        optimizer = functools.partial(torch.optim.AdamW, lr=0.01)
        task = Classifier(MLP((1, 8, 8), 10, [32]), 10, regularizers=list(regularizers), optimizer=optimizer)
        fit(task, max_epochs=5)
        return task.network.body[1].weight.abs()[:, [0, 32]].mean()  # two pixels that are blank in nearly all images

    assert edge(L1(0.01, pattern="body")) < edge() / 2


@pytest.mark.parametrize("shape", [(3, 8), (8, 3), (4, 2, 3, 3), (64, 2, 3, 3)])
def test_orthogonal_units_have_no_gap(shape):
    weight = nn.init.orthogonal_(torch.empty(shape))
    assert orthogonality_gap(weight).item() == pytest.approx(0, abs=1e-9)
    assert orthogonality_gap(2 * weight).item() == pytest.approx(9 * min(shape[0], weight[0].numel()), rel=1e-5)


def test_the_gap_of_some_units_is_an_estimate_without_bias():
    torch.manual_seed(0)
    weight = torch.randn(20, 30)
    drawn = torch.stack([orthogonality_gap(weight, units=3) for _ in range(2000)])
    assert (drawn.mean() - gap(weight)).abs() < 5 * drawn.std() / 2000**0.5  # fails by chance once in 1.7 million


def test_with_all_units_nothing_is_drawn():
    weight, state = torch.randn(20, 30), torch.get_rng_state()
    assert torch.equal(orthogonality_gap(weight, units=20), orthogonality_gap(weight))
    assert torch.equal(torch.get_rng_state(), state)


def test_max_norm_shortens_long_units_alone_and_keeps_their_direction():
    made = network()
    with torch.no_grad():
        made.features[0].weight[2] *= 100
    before = {name: parameter.clone() for name, parameter in made.named_parameters()}
    MaxNorm(1.5).project(made)
    for name, parameter in made.named_parameters():
        if name != "features.0.weight":
            assert torch.equal(parameter, before[name])
    after = made.features[0].weight
    assert after[2].norm().item() == pytest.approx(1.5, rel=1e-5)
    torch.testing.assert_close(after[2] / 1.5, before["features.0.weight"][2] / before["features.0.weight"][2].norm())
    assert torch.equal(after[[0, 1, 3, 4, 5]], before["features.0.weight"][[0, 1, 3, 4, 5]])


def test_after_training_no_unit_exceeds_max_norm(fit):
    task = Classifier(MLP((1, 8, 8), 10, [32]), 10, regularizers=[MaxNorm(0.5)])
    fit(task)
    for layer in (task.network.body[1], task.network.head):
        assert layer.weight.norm(dim=1).max() <= 0.5 + 1e-6
    assert task.network.head.weight.norm(dim=1).max() > 0.49


@pytest.mark.parametrize("kind", [L1, L2, ElasticNet, Orthogonality, MaxNorm])
def test_a_pattern_that_matches_no_weight_is_refused_when_the_task_is_built(kind):
    with pytest.raises(ValueError, match=rf"{kind.__name__}: no weight's name matches 'bias'; there are body\.1"):
        Classifier(MLP((4,), 3), 3, regularizers=[kind(pattern="bias")])


def test_the_same_penalty_may_stand_twice_for_other_weights_but_not_for_the_same():
    Classifier(MLP((4,), 3), 3, regularizers=[L2(0.1, pattern="body"), L2(0.1, pattern="head")])
    with pytest.raises(ValueError, match="L2 is in the list of regularizers twice"):
        Classifier(MLP((4,), 3), 3, regularizers=[L2(0.1), L1(0.1), L2(0.1)])


def test_a_pattern_chooses_by_name():
    made = network()
    expected = made.head.weight.abs().sum() + made.body[3].weight.abs().sum()
    torch.testing.assert_close(cost(L1(1.0, pattern=r"head|body\.3"), made), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: L1(-1), "L1: coefficient -1"),
        (lambda: L2(float("nan")), "L2: coefficient nan"),
        (lambda: ElasticNet(-0.1), "ElasticNet: coefficient -0.1"),
        (lambda: ElasticNet(1, 1.5), "ElasticNet: l1_ratio 1.5"),
        (lambda: Orthogonality(float("inf")), "Orthogonality: coefficient inf"),
        (lambda: Orthogonality(units=0), "Orthogonality: units 0"),
        (lambda: MaxNorm(0), "MaxNorm: limit 0"),
        (lambda: L1(pattern="("), r"L1: pattern '\(' is not a regular expression"),
    ],
)
def test_what_is_out_of_range_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()
