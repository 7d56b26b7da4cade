"""Schedules, warm-up and plateaus, step by step, in real runs on scikit-learn's digits."""

import functools
import math
import warnings

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.optim import SGD, lr_scheduler

from models import Classifier, TrainingError, WarmupCosine
from models.networks import Linear

sgd = functools.partial(SGD, lr=0.1)


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


def test_a_warmup_multiplies_a_schedule_by_epoch_or_by_step(rates_of):
    cosine = functools.partial(lr_scheduler.CosineAnnealingLR, T_max=9)
    warmup = [0.2, 0.4, 0.6, 0.8] + [1] * 5
    for interval, counted in (("step", range(9)), ("epoch", [0, 0, 0, 1, 1, 1, 2, 2, 2])):
        task = linear_task(optimizer=sgd, lr_scheduler=cosine, lr_scheduler_interval=interval, warmup_steps=4)
        factors = [(1 + math.cos(math.pi * count / 9)) / 2 for count in counted]
        assert rates_of(task) == pytest.approx([0.1 * a * b for a, b in zip(warmup, factors, strict=True)])


def test_a_warmup_needs_no_schedule(rates_of):
    warmed = rates_of(linear_task(optimizer=sgd, warmup_steps=4))
    assert warmed == pytest.approx([0.02, 0.04, 0.06, 0.08] + [0.1] * 5)


def test_a_warmup_of_less_than_no_steps_is_refused_by_name():
    with pytest.raises(ValueError, match=r"^warmup_steps: -1 is less than 0$"):
        linear_task(warmup_steps=-1)


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


def test_a_warmup_beside_one_cycle_stops_the_run_before_it_starts(fit):
    task = linear_task(lr_scheduler=functools.partial(lr_scheduler.OneCycleLR, max_lr=0.1), warmup_steps=5)
    with pytest.raises(TrainingError, match="warmup_steps does not compose with OneCycleLR"):
        fit(task)


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


def test_an_improving_figure_is_no_plateau(rates_of):
    task = linear_task(optimizer=sgd, lr_scheduler=plateau(threshold=0))
    assert rates_of(task) == [0.1] * 9


def test_a_plateau_counts_validations_not_epochs(rates_of):
    task = linear_task(optimizer=sgd, lr_scheduler=plateau())
    seen = rates_of(task, max_epochs=6, check_val_every_n_epoch=2)
    assert seen == [0.1] * 12 + [0.05] * 6


def test_a_plateau_of_a_training_figure_counts_epochs_whenever_validation_is(rates_of):
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


def test_a_plateau_of_an_unknown_figure_is_refused_and_the_known_are_listed(fit):
    task = linear_task(lr_scheduler=plateau(), lr_scheduler_monitor="val_loss")
    with pytest.raises(TrainingError, match=r"lr_scheduler_monitor: no figure 'val_loss'; there are .*val/loss"):
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
