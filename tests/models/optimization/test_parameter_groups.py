"""Parameter groups: the learning rate of each stage, beside weight decay and under every schedule."""

import functools

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.optim import LBFGS, SGD, AdamW, lr_scheduler

from datamodules import Digits
from models import Classifier, WarmupCosine
from models.networks import MLP, Pretrained, ResNet
from models.optimization.optimizers import build_optimizer
from models.optimization.parameter_groups import scale_group_rates
from models.optimization.schedules import build_scheduler

adamw = functools.partial(AdamW, lr=0.1, weight_decay=0.5)
sgd = functools.partial(SGD, lr=0.1)
three_layers = functools.partial(MLP, (4,), 2, [4, 4, 4], norm="batch")


def rates(optimizer, network):
    """Return the learning rate and the weight decay of each parameter by its name."""
    named = {id(parameter): name for name, parameter in network.named_parameters()}
    groups = optimizer.param_groups
    return {named[id(p)]: (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}


def test_the_rate_falls_by_a_factor_from_stage_to_stage_and_decay_spares_norms_and_biases_in_each():
    network = ResNet((3, 8, 8), 10, depth=20)
    found = rates(build_optimizer(adamw, network, False, layer_decay=0.5), network)
    assert found.keys() == dict(network.named_parameters()).keys()
    expected = {"head": 0.1, "layer3": 0.05, "layer2": 0.025, "layer1": 0.0125, "bn1": 0.00625, "conv1": 0.00625}
    dimensions = {name: parameter.ndim for name, parameter in network.named_parameters()}
    for name, (rate, decay) in found.items():
        assert rate == pytest.approx(expected[name.split(".")[0]])
        assert decay == (0.5 if dimensions[name] > 1 else 0.0)


def test_decay_of_norms_and_biases_leaves_one_group_a_stage():
    network = three_layers()
    optimizer = build_optimizer(adamw, network, True, layer_decay=0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.05, 0.025, 0.0125]
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.5}


def test_a_frozen_stage_has_no_group_and_the_others_keep_their_rates():
    network = Pretrained((3, 32, 32), 4, functools.partial(ResNet, depth=20), None, train="last:2")
    found = rates(build_optimizer(adamw, network, False, layer_decay=0.5), network)
    by_stage = {name.removeprefix("backbone.").split(".")[0]: rate for name, (rate, _) in found.items()}
    assert by_stage == pytest.approx({"head": 0.1, "layer3": 0.05, "layer2": 0.025})


@pytest.mark.parametrize(
    "make",
    [
        functools.partial(WarmupCosine, total_steps=12),
        functools.partial(lr_scheduler.OneCycleLR, max_lr=0.3, total_steps=12),
        functools.partial(lr_scheduler.CyclicLR, base_lr=0.1, max_lr=0.3, step_size_up=3, cycle_momentum=False),
        functools.partial(lr_scheduler.CosineAnnealingLR, T_max=12),
        functools.partial(lr_scheduler.CosineAnnealingWarmRestarts, T_0=5),
        functools.partial(lr_scheduler.StepLR, step_size=3),
        functools.partial(lr_scheduler.MultiStepLR, milestones=[2, 5]),
        functools.partial(lr_scheduler.ExponentialLR, gamma=0.9),
        functools.partial(lr_scheduler.LinearLR, total_iters=6),
        functools.partial(lr_scheduler.PolynomialLR, total_iters=12),
        functools.partial(lr_scheduler.ReduceLROnPlateau, patience=0, factor=0.5),
    ],
    ids=lambda make: make.func.__name__,
)
def test_every_schedule_keeps_the_ratio_of_the_stages_and_gives_the_head_what_it_gives_alone(make):
    together = build_optimizer(sgd, three_layers(), False, layer_decay=0.5)
    alone = build_optimizer(sgd, nn.Linear(2, 2), False)
    schedules = [build_scheduler(make, optimizer, 12) for optimizer in (together, alone)]
    for step in range(10):
        measured = (1.0 + step,) if isinstance(schedules[0], lr_scheduler.ReduceLROnPlateau) else ()
        full = alone.param_groups[0]["lr"]
        found = [group["lr"] for group in together.param_groups]
        assert found == pytest.approx([full, full / 2, full / 4, full / 8], rel=1e-9, abs=1e-15)
        for optimizer, schedule in zip((together, alone), schedules, strict=True):
            optimizer.step()
            schedule.step(*measured)


def weights(task):
    return torch.cat([parameter.detach().flatten() for parameter in task.network.parameters()])


@pytest.mark.parametrize("kind", [functools.partial(lr_scheduler.OneCycleLR, max_lr=0.3), WarmupCosine])
def test_a_resumed_run_keeps_the_rates_of_its_stages(fit, tmp_path, kind):
    def task():
        torch.manual_seed(0)
        options = {"layer_decay": 0.5, "lr_scheduler": kind, "lr_scheduler_interval": "step"}
        return Classifier(MLP((1, 8, 8), 10, [16, 16]), 10, optimizer=sgd, **options)

    whole, resumed = task(), task()
    saved = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1)
    fit(whole, Digits(batch_size=500), max_epochs=2, callbacks=[saved], enable_checkpointing=True)
    trainer = fit(resumed, Digits(batch_size=500), max_epochs=2, ckpt_path=tmp_path / "epoch=0.ckpt")
    head, *stages = [group["lr"] for group in trainer.optimizers[0].param_groups]
    assert stages == pytest.approx([head / 2, head / 4])
    assert torch.equal(weights(resumed), weights(whole))


@pytest.mark.parametrize("layer_decay", [0.0, -0.5, 1.5])
def test_a_factor_that_is_none_is_refused(layer_decay):
    with pytest.raises(ValueError, match=rf"layer_decay: {layer_decay} is not in \(0, 1\]"):
        Classifier(MLP((4,), 2), 2, layer_decay=layer_decay)


def test_an_optimizer_that_takes_no_groups_is_named():
    with pytest.raises(ValueError, match=r"model\.optimizer \(LBFGS\): .*parameter"):
        build_optimizer(LBFGS, three_layers(), False, layer_decay=0.5)


def test_a_floor_that_would_raise_the_lower_rates_is_refused():
    optimizer = build_optimizer(sgd, three_layers(), False, layer_decay=0.5)
    with pytest.raises(ValueError, match="layer_decay: the eta_min of CosineAnnealingLR"):
        scale_group_rates(lr_scheduler.CosineAnnealingLR(optimizer, 10, eta_min=0.01), optimizer)


def test_the_minimum_rate_of_a_plateau_is_scaled_too():
    optimizer = build_optimizer(sgd, three_layers(), False, layer_decay=0.5)
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer, min_lr=0.01)
    scale_group_rates(schedule, optimizer)
    head = optimizer.param_groups[0]["lr"]
    assert schedule.min_lrs == pytest.approx([0.01 * group["lr"] / head for group in optimizer.param_groups])
