"""Parameter groups: the learning rate of each stage, beside weight decay and under every schedule."""

import functools

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.optim import LBFGS, SGD, AdamW, lr_scheduler
from torch.optim.swa_utils import SWALR

from datamodules import Digits
from models import Classifier, WarmupCosine
from models.networks import MLP, Pretrained, ResNet
from models.optimization.optimizers import build_optimizer
from models.optimization.schedules import advance, build_scheduler

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


class Sawtooth(lr_scheduler.LRScheduler):
    """A schedule of one's own that sets rates absolutely."""

    def get_lr(self):
        return [0.1 + 0.1 * (self.last_epoch % 3)] * len(self.optimizer.param_groups)


def warmup(optimizer):
    return lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=3)


def in_turn(*makes):
    """Return a factory of schedules that follow each other, three steps each."""

    def one_after_another(optimizer):
        milestones = [3 * number for number in range(1, len(makes))]
        return lr_scheduler.SequentialLR(optimizer, [make(optimizer) for make in makes], milestones)

    return one_after_another


def at_once(*makes):
    """Return a factory of schedules that act together."""
    return lambda optimizer: lr_scheduler.ChainedScheduler([make(optimizer) for make in makes])


one_cycle = functools.partial(lr_scheduler.OneCycleLR, max_lr=0.3, total_steps=12)
cyclic = functools.partial(lr_scheduler.CyclicLR, base_lr=0.1, max_lr=0.3, step_size_up=3, cycle_momentum=False)
swa = functools.partial(SWALR, swa_lr=0.03, anneal_epochs=4)
cosine = functools.partial(lr_scheduler.CosineAnnealingLR, T_max=12)
floored = functools.partial(cosine, eta_min=0.01)
exponential = functools.partial(lr_scheduler.ExponentialLR, gamma=0.9)
plateau = functools.partial(lr_scheduler.ReduceLROnPlateau, patience=0, factor=0.5)
SCHEDULES = {
    "WarmupCosine": functools.partial(WarmupCosine, total_steps=12),
    "OneCycleLR": one_cycle,
    "CyclicLR": cyclic,
    "CyclicLR triangular2": functools.partial(cyclic, mode="triangular2"),
    "SWALR": swa,
    "SWALR linear": functools.partial(swa, anneal_strategy="linear"),
    "SWALR at once": functools.partial(swa, anneal_epochs=0),
    "CosineAnnealingLR": cosine,
    "CosineAnnealingLR to a floor": floored,
    "CosineAnnealingWarmRestarts": functools.partial(lr_scheduler.CosineAnnealingWarmRestarts, T_0=5),
    "CosineAnnealingWarmRestarts to a floor": functools.partial(
        lr_scheduler.CosineAnnealingWarmRestarts, T_0=5, eta_min=0.01
    ),
    "StepLR": functools.partial(lr_scheduler.StepLR, step_size=3),
    "MultiStepLR": functools.partial(lr_scheduler.MultiStepLR, milestones=[2, 5]),
    "ExponentialLR": exponential,
    "MultiplicativeLR": functools.partial(lr_scheduler.MultiplicativeLR, lr_lambda=lambda step: 0.9),
    "ConstantLR": lr_scheduler.ConstantLR,
    "LinearLR": functools.partial(lr_scheduler.LinearLR, total_iters=6),
    "PolynomialLR": functools.partial(lr_scheduler.PolynomialLR, total_iters=12),
    "ReduceLROnPlateau": plateau,
    "ReduceLROnPlateau to a floor": functools.partial(plateau, min_lr=0.03),
    "ReduceLROnPlateau in steps of some size": functools.partial(plateau, eps=0.01),
    "a schedule of one's own": Sawtooth,
    "LinearLR, then CosineAnnealingLR": in_turn(warmup, cosine),
    "LinearLR, then SWALR": in_turn(warmup, swa),
    "LinearLR, then OneCycleLR": in_turn(warmup, one_cycle),
    "OneCycleLR, then SWALR": in_turn(one_cycle, swa),
    "LinearLR, then CyclicLR, then SWALR": in_turn(warmup, cyclic, swa),
    "LinearLR and ExponentialLR": at_once(warmup, exponential),
    "ConstantLR and SWALR": at_once(lr_scheduler.ConstantLR, swa),
    "LinearLR and CosineAnnealingLR to a floor": at_once(warmup, floored),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_keeps_the_ratio_of_the_stages_and_gives_the_head_what_it_gives_alone(name):
    staged, alone = build_optimizer(sgd, three_layers(), False, layer_decay=0.5), sgd([nn.Parameter(torch.zeros(1))])
    schedule, plain = build_scheduler(SCHEDULES[name], staged, 12), SCHEDULES[name](alone)
    for step in range(10):
        measured = (1.0 + step,) if isinstance(plain, lr_scheduler.ReduceLROnPlateau) else ()
        full = alone.param_groups[0]["lr"]
        found = [group["lr"] for group in staged.param_groups]
        assert found == pytest.approx([full, full / 2, full / 4, full / 8], rel=1e-9, abs=1e-15)
        staged.step()
        alone.step()
        advance(schedule, *measured)
        plain.step(*measured)


def test_rates_whose_ratio_holds_keep_every_bit():
    staged, other = (build_optimizer(sgd, three_layers(), False, layer_decay=0.7) for _ in range(2))
    make = functools.partial(WarmupCosine, total_steps=50)
    schedule, plain = build_scheduler(make, staged, 50), make(other)
    for _ in range(50):
        assert [group["lr"] for group in staged.param_groups] == [group["lr"] for group in other.param_groups]
        staged.step()
        other.step()
        advance(schedule)
        plain.step()


class Ratios(L.Callback):
    """Keeps the ratios of the groups' rates to the first group's, at every step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        head, *stages = [group["lr"] for group in trainer.optimizers[0].param_groups]
        self.seen.append([rate / head for rate in stages])


@pytest.mark.parametrize("interval", ["step", "epoch"])
@pytest.mark.parametrize(
    "name", ["SWALR", "LinearLR, then CyclicLR, then SWALR", "ConstantLR and SWALR", "ReduceLROnPlateau to a floor"]
)
def test_the_ratio_holds_in_a_run(fit, name, interval):
    network, record = MLP((1, 8, 8), 10, [16, 16]), Ratios()
    options = {"layer_decay": 0.5, "lr_scheduler": SCHEDULES[name], "lr_scheduler_interval": interval}
    fit(Classifier(network, 10, optimizer=sgd, **options), max_epochs=6, callbacks=[record])
    assert record.seen == [pytest.approx([0.5, 0.25])] * 18


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
