"""Parameter groups and learning-rate schedules, step by step."""

import functools
import math

import pytest
import torch
from lightning.pytorch.cli import LightningArgumentParser, LRSchedulerCallable
from torch import nn
from torch.optim import LBFGS, SGD, Adam, AdamW, lr_scheduler

from models import WarmupCosine
from models.networks import CNN, MLP
from models.optimization.optimizers import build_optimizer, build_scheduler, build_warmup

adamw = functools.partial(AdamW, lr=0.1, weight_decay=0.5)


def names(network, parameters):
    return {name for name, own in network.named_parameters() if any(own is parameter for parameter in parameters)}


def sgd(lr=1.0):
    return SGD([nn.Parameter(torch.zeros(2, 2))], lr=lr)


def rates(optimizer, schedules, steps):
    """Return the learning rate of each step, all schedules advancing after each."""
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for schedule in schedules:
            schedule.step()
    return seen


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


def test_warmup_cosine_follows_its_formula():
    optimizer = sgd(lr=0.4)
    schedule = WarmupCosine(optimizer, warmup_fraction=0.2, final_factor=0.1, total_steps=20)
    warmup = [(step + 1) / 5 for step in range(4)]
    cosine = [0.1 + 0.9 * (1 + math.cos(math.pi * (step - 4) / 16)) / 2 for step in range(4, 20)]
    after = [0.1] * 3
    assert rates(optimizer, [schedule], 23) == pytest.approx([0.4 * factor for factor in warmup + cosine + after])


def test_warmup_cosine_without_warmup_starts_at_the_full_rate_and_ends_at_zero():
    optimizer = sgd()
    seen = rates(optimizer, [WarmupCosine(optimizer, warmup_fraction=0, total_steps=10)], 11)
    assert seen[0] == 1
    assert seen[10] == pytest.approx(0)
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize(
    "options",
    [
        {"warmup_fraction": 1.0, "total_steps": 10},
        {"warmup_fraction": -0.1, "total_steps": 10},
        {"final_factor": 1.1, "total_steps": 10},
        {"total_steps": 0},
        {},
    ],
)
def test_warmup_cosine_refuses_what_it_cannot_follow(options):
    with pytest.raises(ValueError, match="WarmupCosine"):
        WarmupCosine(sgd(), **options)


@pytest.mark.parametrize("kind", [functools.partial(lr_scheduler.OneCycleLR, max_lr=0.1), WarmupCosine])
def test_a_schedule_that_takes_total_steps_is_told_the_length_of_the_run(kind):
    told = build_scheduler(kind, sgd(), 37)
    expected = kind(sgd(), total_steps=37)
    assert rates(told.optimizer, [told], 30) == rates(expected.optimizer, [expected], 30)


def test_a_stated_total_steps_wins():
    factory = functools.partial(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=12)
    assert build_scheduler(factory, sgd(), 37).total_steps == 12


def test_stated_epochs_and_steps_win():
    factory = functools.partial(lr_scheduler.OneCycleLR, max_lr=0.1, epochs=3, steps_per_epoch=5)
    assert build_scheduler(factory, sgd(), 37).total_steps == 15


def test_a_schedule_that_takes_no_total_steps_is_left_alone():
    schedule = build_scheduler(functools.partial(lr_scheduler.StepLR, step_size=2), sgd(), 37)
    assert schedule.step_size == 2


def test_a_run_without_an_end_tells_no_length():
    with pytest.raises(ValueError, match="total_steps is unknown; set it"):
        build_scheduler(WarmupCosine, sgd(), math.inf)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("stated", "expected"), [({}, 37), ({"total_steps": 12}, 12)])
def test_a_schedule_named_in_yaml_is_told_the_length_too(stated, expected):
    parser = LightningArgumentParser()
    parser.add_argument("--schedule", type=LRSchedulerCallable)
    choice = {"class_path": "torch.optim.lr_scheduler.OneCycleLR", "init_args": {"max_lr": 0.1} | stated}
    factory = parser.instantiate_classes(parser.parse_object({"schedule": choice})).schedule
    assert build_scheduler(factory, sgd(), 37).total_steps == expected


def test_a_warmup_alone_rises_linearly_to_the_full_rate():
    optimizer = sgd()
    seen = rates(optimizer, [build_warmup(optimizer, 4, None)], 7)
    assert seen == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1])


@pytest.mark.parametrize(
    "make",
    [
        functools.partial(lr_scheduler.CosineAnnealingLR, T_max=12),
        functools.partial(lr_scheduler.StepLR, step_size=3, gamma=0.5),
        functools.partial(lr_scheduler.ExponentialLR, gamma=0.9),
        functools.partial(lr_scheduler.MultiStepLR, milestones=[2, 7]),
    ],
    ids=lambda make: make.func.__name__,
)
def test_a_warmup_multiplies_the_schedule_beside_it(make):
    alone, both = sgd(), sgd()
    plain, schedule = make(alone), make(both)
    warmed = rates(both, [schedule, build_warmup(both, 4, schedule)], 12)
    factors = [0.2, 0.4, 0.6, 0.8] + [1] * 8
    expected = [rate * factor for rate, factor in zip(rates(alone, [plain], 12), factors, strict=True)]
    assert warmed == pytest.approx(expected)


def constant_then_steps(optimizer):
    constant, steps = lr_scheduler.ConstantLR(optimizer, 0.5, 3), lr_scheduler.StepLR(optimizer, 4)
    return lr_scheduler.SequentialLR(optimizer, [constant, steps], [4])


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("OneCycleLR", functools.partial(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=10)),
        ("CyclicLR", functools.partial(lr_scheduler.CyclicLR, base_lr=0.1, max_lr=0.2)),
        ("CosineAnnealingWarmRestarts", functools.partial(lr_scheduler.CosineAnnealingWarmRestarts, T_0=5)),
        ("LambdaLR", functools.partial(lr_scheduler.LambdaLR, lr_lambda=lambda step: 0.9**step)),
        ("WarmupCosine", functools.partial(WarmupCosine, total_steps=10)),
        ("SequentialLR", constant_then_steps),
    ],
)
def test_a_warmup_beside_a_schedule_that_would_undo_it_is_refused_by_name(name, make):
    optimizer = sgd()
    with pytest.raises(ValueError, match=name):
        build_warmup(optimizer, 4, make(optimizer))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: build_optimizer(functools.partial(SGD, lr=-1), nn.Linear(2, 2), True),
            r"model\.optimizer \(SGD\): .* -1",
        ),
        (
            lambda: build_scheduler(functools.partial(lr_scheduler.StepLR, step_size=0), sgd(), 9),
            r"model\.lr_scheduler \(StepLR\): step_size",
        ),
        (
            lambda: build_scheduler(functools.partial(WarmupCosine, warmup_fraction=2), sgd(), 9),
            r"model\.lr_scheduler \(WarmupCosine\): .*warmup_fraction=2",
        ),
    ],
)
def test_a_value_that_a_class_refuses_is_laid_to_its_argument(make, said):
    with pytest.raises(ValueError, match=said):
        make()
