"""Schedules and plateaus, step by step, alone and in real runs on scikit-learn's digits."""

import functools
import math
import warnings

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LRSchedulerCallable
from torch import nn
from torch.optim import SGD, lr_scheduler

from models import Classifier, TrainingError, WarmupCosine
from models.networks import Linear
from models.optimization.schedules import build_scheduler

sgd = functools.partial(SGD, lr=0.1)


def optimizer_of_rate(lr=1.0):
    return SGD([nn.Parameter(torch.zeros(2, 2))], lr=lr)


def rates(schedule, steps):
    """Return the learning rate of each step; the schedule advances after each."""
    optimizer, seen = schedule.optimizer, []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


def test_warmup_cosine_follows_its_formula():
    schedule = WarmupCosine(optimizer_of_rate(lr=0.4), warmup_fraction=0.2, final_factor=0.1, total_steps=20)
    warmup = [(step + 1) / 5 for step in range(4)]
    cosine = [0.1 + 0.9 * (1 + math.cos(math.pi * (step - 4) / 16)) / 2 for step in range(4, 20)]
    after = [0.1] * 3
    assert rates(schedule, 23) == pytest.approx([0.4 * factor for factor in warmup + cosine + after])


def test_warmup_cosine_without_warmup_starts_at_the_full_rate_and_ends_at_zero():
    seen = rates(WarmupCosine(optimizer_of_rate(), warmup_fraction=0, total_steps=10), 11)
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
        WarmupCosine(optimizer_of_rate(), **options)


@pytest.mark.parametrize("kind", [functools.partial(lr_scheduler.OneCycleLR, max_lr=0.1), WarmupCosine])
def test_a_schedule_that_takes_total_steps_is_told_the_length_of_the_run(kind):
    told = build_scheduler(kind, optimizer_of_rate(), 37)
    expected = kind(optimizer_of_rate(), total_steps=37)
    assert rates(told, 30) == rates(expected, 30)


def test_a_stated_total_steps_wins():
    factory = functools.partial(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=12)
    assert build_scheduler(factory, optimizer_of_rate(), 37).total_steps == 12


def test_stated_epochs_and_steps_win():
    factory = functools.partial(lr_scheduler.OneCycleLR, max_lr=0.1, epochs=3, steps_per_epoch=5)
    assert build_scheduler(factory, optimizer_of_rate(), 37).total_steps == 15


def test_a_schedule_that_takes_no_total_steps_is_left_alone():
    schedule = build_scheduler(functools.partial(lr_scheduler.StepLR, step_size=2), optimizer_of_rate(), 37)
    assert schedule.step_size == 2


def test_a_run_without_an_end_tells_no_length():
    with pytest.raises(ValueError, match="total_steps is unknown; set it"):
        build_scheduler(WarmupCosine, optimizer_of_rate(), math.inf)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("stated", "expected"), [({}, 37), ({"total_steps": 12}, 12)])
def test_a_schedule_named_in_yaml_is_told_the_length_too(stated, expected):
    parser = LightningArgumentParser()
    parser.add_argument("--schedule", type=LRSchedulerCallable)
    choice = {"class_path": "torch.optim.lr_scheduler.OneCycleLR", "init_args": {"max_lr": 0.1} | stated}
    factory = parser.instantiate_classes(parser.parse_object({"schedule": choice})).schedule
    assert build_scheduler(factory, optimizer_of_rate(), 37).total_steps == expected


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (functools.partial(lr_scheduler.StepLR, step_size=0), r"model\.lr_scheduler \(StepLR\): step_size"),
        (
            functools.partial(WarmupCosine, warmup_fraction=2),
            r"model\.lr_scheduler \(WarmupCosine\): .*warmup_fraction 2 is not in \[0, 1\)",
        ),
    ],
)
def test_a_value_that_a_schedule_refuses_is_laid_to_its_argument(factory, said):
    with pytest.raises(ValueError, match=said):
        build_scheduler(factory, optimizer_of_rate(), 9)


class Rates(L.Callback):
    """Keeps the learning rate of every step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


def linear_task(**options):
    torch.manual_seed(0)
    return Classifier(Linear((1, 8, 8), 10), 10, **options)


@pytest.fixture
def rates_of(fit):
    """Train for three epochs of three steps and return the learning rate of each step."""

    def rates(task, callbacks=(), **options):
        record = Rates()
        fit(task, callbacks=[record, *callbacks], **({"max_epochs": 3} | options))
        return record.seen

    return rates


def test_a_schedule_advances_by_epoch_unless_told_otherwise(rates_of):
    halve = functools.partial(lr_scheduler.StepLR, step_size=1, gamma=0.5)
    assert rates_of(linear_task(optimizer=sgd, lr_scheduler=halve)) == [0.1] * 3 + [0.05] * 3 + [0.025] * 3
    by_step = rates_of(linear_task(optimizer=sgd, lr_scheduler=halve, lr_scheduler_interval="step"))
    assert by_step == [0.1 * 0.5**step for step in range(9)]


@pytest.mark.parametrize(("options", "steps"), [({}, 9), ({"accumulate_grad_batches": 2}, 6), ({"max_steps": 5}, 5)])
def test_one_cycle_is_told_how_many_steps_the_run_has(fit, options, steps):
    one_cycle = functools.partial(lr_scheduler.OneCycleLR, max_lr=0.1)
    task = linear_task(optimizer=sgd, lr_scheduler=one_cycle, lr_scheduler_interval="step")
    trainer = fit(task, max_epochs=3, **options)
    assert trainer.lr_scheduler_configs[0].scheduler.total_steps == steps
    assert trainer.global_step == steps


def test_a_schedule_by_epoch_is_told_how_many_epochs_the_run_has(rates_of):
    task = linear_task(optimizer=sgd, lr_scheduler=functools.partial(WarmupCosine, warmup_fraction=0))
    factors = [(1 + math.cos(math.pi * epoch / 3)) / 2 for epoch in (0, 0, 0, 1, 1, 1, 2, 2, 2)]
    assert rates_of(task) == pytest.approx([0.1 * factor for factor in factors])


@pytest.mark.parametrize(("interval", "lengths"), [("step", (6, 9)), ("epoch", (2, 3))])
def test_a_resumed_run_that_is_longer_than_its_one_cycle_is_refused_before_it_trains(fit, tmp_path, interval, lengths):
    def task():
        one_cycle = functools.partial(lr_scheduler.OneCycleLR, max_lr=0.1)
        return linear_task(optimizer=sgd, lr_scheduler=one_cycle, lr_scheduler_interval=interval)

    trainer = fit(task(), max_epochs=2)
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    shorter, longer = lengths
    record = Rates()
    message = rf"^OneCycleLR was made for {shorter} steps and cannot be lengthened to {longer} on resume$"
    with pytest.raises(TrainingError, match=message):
        fit(task(), max_epochs=3, ckpt_path=tmp_path / "two.ckpt", callbacks=[record])
    assert record.seen == []


def plateau(**options):
    """Halve the learning rate after every validation but the first, for nothing is ever good enough."""
    settings = {"factor": 0.5, "patience": 0, "threshold": 1e9, "threshold_mode": "abs"}
    return functools.partial(lr_scheduler.ReduceLROnPlateau, **(settings | options))


@pytest.mark.parametrize(
    ("monitor", "mode"),
    [("val/loss", "min"), ("val/accuracy", "max"), ("train/loss", "min"), ("train/accuracy", "max")],
)
def test_a_plateau_lowers_the_learning_rate(rates_of, monitor, mode):
    task = linear_task(optimizer=sgd, lr_scheduler=plateau(mode=mode), lr_scheduler_monitor=monitor)
    assert rates_of(task, max_epochs=4) == [0.1] * 6 + [0.05] * 3 + [0.025] * 3


def test_an_improving_metric_is_not_a_plateau(rates_of):
    task = linear_task(optimizer=sgd, lr_scheduler=plateau(threshold=0))
    assert rates_of(task) == [0.1] * 9


def test_a_plateau_counts_validations_not_epochs(rates_of):
    task = linear_task(optimizer=sgd, lr_scheduler=plateau())
    seen = rates_of(task, max_epochs=6, check_val_every_n_epoch=2)
    assert seen == [0.1] * 12 + [0.05] * 6


def test_a_plateau_of_a_training_metric_counts_epochs_whenever_validation_is(rates_of):
    task = linear_task(optimizer=sgd, lr_scheduler=plateau(), lr_scheduler_monitor="train/loss")
    assert rates_of(task, check_val_every_n_epoch=2) == [0.1] * 6 + [0.05] * 3


def test_a_plateau_goes_on_from_a_checkpoint_of_the_validation_that_it_waits_for(rates_of, fit, tmp_path):
    def task():
        return linear_task(optimizer=sgd, lr_scheduler=plateau())

    options = {"max_epochs": 6, "check_val_every_n_epoch": 2}
    save = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1, every_n_epochs=1, save_on_train_epoch_end=False)
    whole = rates_of(task(), **options, callbacks=[save], enable_checkpointing=True)
    record = Rates()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*called before the ``update`` method")
        fit(task(), ckpt_path=tmp_path / "epoch=3.ckpt", callbacks=[record], **options)
    assert whole == [0.1] * 12 + [0.05] * 6
    assert record.seen == whole[12:]


def test_a_plateau_of_the_wrong_mode_is_refused(fit):
    task = linear_task(lr_scheduler=plateau(mode="min"), lr_scheduler_monitor="val/accuracy")
    with pytest.raises(TrainingError, match="val/accuracy wants mode 'max', not 'min'"):
        fit(task)


def test_a_plateau_of_an_unknown_metric_is_refused_and_the_known_are_listed(fit):
    task = linear_task(lr_scheduler=plateau(), lr_scheduler_monitor="val_loss")
    with pytest.raises(
        TrainingError, match=r"lr_scheduler_monitor: there is no metric 'val_loss'; choose one of .*val/loss"
    ):
        fit(task)


def test_a_plateau_of_a_validation_that_is_switched_off_is_refused(fit):
    with pytest.raises(TrainingError, match="val/loss"):
        fit(linear_task(lr_scheduler=plateau()), limit_val_batches=0)


def test_a_plateau_goes_on_after_a_resume_as_if_there_had_been_none(fit, rates_of, tmp_path):
    def task():
        return linear_task(optimizer=sgd, lr_scheduler=plateau())

    whole = rates_of(task(), max_epochs=4)
    save = ModelCheckpoint(tmp_path, filename="two", save_on_train_epoch_end=True)
    fit(task(), max_epochs=2, callbacks=[save], enable_checkpointing=True)
    record = Rates()
    fit(task(), max_epochs=4, ckpt_path=tmp_path / "two.ckpt", callbacks=[record])
    assert record.seen == whole[6:]
