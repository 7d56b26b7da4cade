"""The training step, the schedules and exact resume, in real runs on scikit-learn's digits."""

import functools
import math

import lightning as L
import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.optim import LBFGS, SGD, lr_scheduler

from datamodules import Digits, RandomTranslate
from models import Classifier, TrainingError, WarmupCosine
from models.networks import MLP, Linear
from models.regularizers import DisturbLabel, LabelSmoothing, Regularizer

still = functools.partial(SGD, lr=0.0)
sgd = functools.partial(SGD, lr=0.1)


class Rates(L.Callback):
    """Keeps the learning rate of every step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


class SaveAt(L.Callback):
    """Saves a checkpoint once after a certain step."""

    def __init__(self, step, path):
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


class Interrupt(L.Callback):
    """Breaks a run off after a certain step."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step == self.step:
            raise RuntimeError("out of memory")


class NoNumber(nn.Module):
    """Cross entropy that is no number at one step, counted from 1."""

    def __init__(self, step):
        super().__init__()
        self.step, self.calls = step, 0

    def forward(self, logits, targets):
        self.calls += 1
        return F.cross_entropy(logits, targets) * (math.nan if self.calls == self.step else 1)


def digits(batch_size=500, **options):
    return Digits(batch_size=batch_size, **options)  # by default three steps an epoch


def linear_task(**options):
    torch.manual_seed(0)
    return Classifier(Linear((1, 8, 8), 10), 10, **options)


def weights(task):
    return torch.cat([parameter.detach().flatten() for parameter in task.network.parameters()])


@pytest.fixture
def fit(quiet_trainer):
    """Train on digits, always in the same order, and return the trainer."""

    def train(task, data=None, ckpt_path=None, **options):
        L.seed_everything(1, verbose=False)
        trainer = quiet_trainer(**({"max_epochs": 1} | options))
        trainer.fit(task, digits() if data is None else data, ckpt_path=ckpt_path)
        return trainer

    return train


@pytest.fixture
def rates_of(fit):
    """Train for three epochs of three steps and return the learning rate of each step."""

    def rates(task, **options):
        record = Rates()
        fit(task, callbacks=[record], **({"max_epochs": 3} | options))
        return record.seen

    return rates


@pytest.mark.parametrize("regularizers", [[], [DisturbLabel(100)], [LabelSmoothing(0.5), DisturbLabel(50)]])
def test_training_figures_are_measured_on_the_true_labels(fit, regularizers):
    task, data = linear_task(optimizer=still, regularizers=regularizers), digits()
    figures = fit(task, data).callback_metrics
    logits = task.network(data.transform(data.samples.inputs[data.split.train]))
    targets = data.samples.targets[data.split.train]
    assert figures["train/loss"].item() == pytest.approx(F.cross_entropy(logits, targets).item(), rel=1e-5)
    assert figures["train/accuracy"].item() == pytest.approx((logits.argmax(-1) == targets).float().mean().item())


def test_training_figures_cover_every_batch_of_a_long_epoch(fit):
    task, data = linear_task(optimizer=still), digits(batch_size=20)
    figures = fit(task, data).callback_metrics
    logits = task.network(data.transform(data.samples.inputs[data.split.train]))
    expected = F.cross_entropy(logits, data.samples.targets[data.split.train]).item()
    assert figures["train/loss"].item() == pytest.approx(expected, rel=1e-5)


def test_training_on_wrong_labels_learns_nothing_and_says_so(fit):
    figures = fit(linear_task(optimizer=sgd, regularizers=[DisturbLabel(100)]), max_epochs=5).callback_metrics
    assert figures["train/accuracy"] < 0.4
    assert figures["val/accuracy"] < 0.4


def test_regularizers_act_in_the_order_of_the_list_and_their_penalties_add_up():
    seen = []

    class Shift(Regularizer):
        def __init__(self, by):
            super().__init__()
            self.by = by

        def perturb(self, inputs, targets):
            seen.append((self.by, inputs.mean().item(), targets.shape))
            return inputs + self.by, targets

        def penalty(self, outputs, targets, network):
            return outputs.new_tensor(float(self.by))

    task = linear_task(regularizers=[Shift(10), Shift(5)])
    inputs, targets = torch.zeros(4, 1, 8, 8), torch.arange(4)
    objective = task.training_step((inputs, targets), 0)
    assert seen == [(10, 0, (4, 10)), (5, 10, (4, 10))]
    expected = F.cross_entropy(task.network(inputs + 15), targets) + 15
    assert objective.item() == pytest.approx(expected.item())


@pytest.mark.parametrize("off", [[DisturbLabel(0)], [LabelSmoothing(0)], [DisturbLabel(0), LabelSmoothing(0)]])
def test_regularizers_that_are_off_train_the_very_same_weights(fit, off):
    plain, regularized = linear_task(optimizer=sgd), linear_task(optimizer=sgd, regularizers=off)
    fit(plain, max_epochs=2)
    fit(regularized, max_epochs=2)
    assert torch.equal(weights(plain), weights(regularized))


def test_regularizers_that_are_off_change_nothing_beside_class_weights_either(fit):
    class_weights = torch.linspace(0.1, 3, 10)
    plain, regularized = (
        linear_task(optimizer=sgd, loss=nn.CrossEntropyLoss(weight=class_weights), regularizers=regularizers)
        for regularizers in ([], [DisturbLabel(0)])
    )
    fit(plain)
    fit(regularized)
    torch.testing.assert_close(weights(plain), weights(regularized))


def test_regularizers_that_are_on_train_other_weights(fit):
    plain, regularized = linear_task(optimizer=sgd), linear_task(optimizer=sgd, regularizers=[LabelSmoothing(0.1)])
    fit(plain)
    fit(regularized)
    assert not torch.equal(weights(plain), weights(regularized))


def test_what_is_no_regularizer_is_refused_by_name():
    with pytest.raises(ValueError, match="regularizers: Dropout is not a Regularizer"):
        linear_task(regularizers=[DisturbLabel(), nn.Dropout()])


@pytest.mark.parametrize(("step", "epoch"), [(1, 1), (50, 1), (53, 1), (60, 2)])
def test_a_loss_that_is_no_number_stops_the_run_naming_step_and_epoch(fit, step, epoch):
    data = digits(batch_size=24)  # 54 steps an epoch
    with pytest.raises(TrainingError, match=f"the loss is nan at step {step}, epoch {epoch}: lower the learning rate"):
        fit(linear_task(loss=NoNumber(step), optimizer=sgd), data, max_epochs=2)


@pytest.mark.parametrize(("batch", "step"), [(7, 4), (52, 26)])
def test_the_step_named_is_the_optimizers_when_gradients_are_accumulated(fit, batch, step):
    task = linear_task(loss=NoNumber(batch), optimizer=sgd)
    with pytest.raises(TrainingError, match=f"at step {step}, epoch 1"):
        fit(task, digits(batch_size=24), accumulate_grad_batches=2)


def test_a_learning_rate_that_is_far_too_large_stops_the_run(fit):
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step \d+, epoch 1: lower the learning rate"):
        fit(linear_task(optimizer=functools.partial(SGD, lr=1e38)))


def test_no_validation_passes_on_weights_that_give_no_numbers(fit):
    with pytest.raises(TrainingError, match=r"val/loss is (nan|inf)"):
        fit(linear_task(optimizer=functools.partial(SGD, lr=1e38)), digits(batch_size=2000))


def test_a_run_after_an_interrupted_one_measures_its_own_batches_alone(fit):
    task, reference = linear_task(optimizer=still), linear_task(optimizer=still)
    with pytest.raises(RuntimeError, match="out of memory"):
        fit(task, callbacks=[Interrupt(step=2)])
    expected = fit(reference).callback_metrics["train/loss"]
    assert fit(task).callback_metrics["train/loss"].item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_figures_announced_are_those_logged(fit):
    task = linear_task()
    assert set(fit(task).callback_metrics) == set(task.figures())
    assert task.figures()["val/accuracy"] is True
    assert task.figures()["val/loss"] is False


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


def test_a_warmup_beside_one_cycle_stops_the_run_before_it_starts(fit):
    task = linear_task(lr_scheduler=functools.partial(lr_scheduler.OneCycleLR, max_lr=0.1), warmup_steps=5)
    with pytest.raises(TrainingError, match="warmup_steps does not compose with OneCycleLR"):
        fit(task)


def test_a_run_with_nothing_to_train_is_refused(fit):
    task = linear_task()
    task.network.requires_grad_(False)
    with pytest.raises(TrainingError, match="no trainable parameter"):
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


def noisy_task():
    torch.manual_seed(0)
    network = MLP((1, 8, 8), 10, [32], dropout=0.3, norm="batch")
    return Classifier(network, 10, regularizers=[DisturbLabel(20)], warmup_steps=12)


def noisy_data():
    return digits(batch_size=200, augmentation=[RandomTranslate(1)])  # 7 steps an epoch


@pytest.fixture
def cut_and_resumed(fit, tmp_path):
    """Train noisily for three epochs, and once more from a checkpoint saved on the way; return tasks and figures."""

    def run_both(step):
        whole, resumed = noisy_task(), noisy_task()
        expected = fit(whole, noisy_data(), max_epochs=3, callbacks=[SaveAt(step, tmp_path / "cut.ckpt")])
        trainer = fit(resumed, noisy_data(), max_epochs=3, ckpt_path=tmp_path / "cut.ckpt")
        assert trainer.global_step == expected.global_step == 21
        return whole, resumed, expected.callback_metrics, trainer.callback_metrics

    return run_both


@pytest.mark.parametrize("step", [1, 7, 10, 14, 20])
def test_a_resumed_run_ends_with_the_same_weights_and_figures_wherever_it_was_cut(cut_and_resumed, step):
    whole, resumed, expected, figures = cut_and_resumed(step)
    assert torch.equal(weights(resumed), weights(whole))
    assert figures == expected


def test_a_checkpoint_holds_only_what_loads_safely(fit, tmp_path):
    task = linear_task(lr_scheduler=plateau(), regularizers=[DisturbLabel()])
    fit(task).save_checkpoint(tmp_path / "run.ckpt")
    checkpoint = torch.load(tmp_path / "run.ckpt", weights_only=True)
    assert checkpoint["Digits"]["split"]["source"]["name"] == "Digits"
    assert len(checkpoint["device_states"]) == 1
    fresh = linear_task(regularizers=[DisturbLabel()])
    fresh.load_state_dict(checkpoint["state_dict"])
    assert torch.equal(weights(fresh), weights(task))


@pytest.mark.parametrize("optimizer", [LBFGS, functools.partial(torch.optim.RMSprop, lr=1e-3, weight_decay=0.1)])
def test_any_optimizer_trains(fit, optimizer):
    figures = fit(linear_task(optimizer=optimizer), max_epochs=2).callback_metrics
    assert figures["val/loss"] < math.log(10)
