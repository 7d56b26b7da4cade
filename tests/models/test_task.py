"""The training step, and what stops a run, in real runs on scikit-learn's digits."""

import functools
import math

import lightning as L
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import LBFGS, SGD

from datamodules import Digits
from models import Classifier, TrainingError
from models.networks import Linear
from models.regularizers import DisturbLabel, LabelSmoothing, Regularizer

still = functools.partial(SGD, lr=0.0)
sgd = functools.partial(SGD, lr=0.1)


class Interrupt(L.Callback):
    """Breaks a run off after a certain step."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step == self.step:
            raise RuntimeError("out of memory")


class NaNLoss(nn.Module):
    """Cross entropy that is NaN at one step, counted from 1."""

    def __init__(self, step):
        super().__init__()
        self.step, self.calls = step, 0

    def forward(self, logits, targets):
        self.calls += torch.is_grad_enabled()
        return F.cross_entropy(logits, targets) * (math.nan if self.calls == self.step else 1)


def digits(batch_size=500, **options):
    return Digits(batch_size=batch_size, **options)  # by default three steps an epoch


def linear_task(**options):
    torch.manual_seed(0)
    return Classifier(Linear((1, 8, 8), 10), 10, **options)


def weights(task):
    return torch.cat([parameter.detach().flatten() for parameter in task.network.parameters()])


@pytest.mark.parametrize("regularizers", [[], [DisturbLabel(100)], [LabelSmoothing(0.5), DisturbLabel(50)]])
def test_training_metrics_are_measured_on_the_true_labels(fit, regularizers):
    task, data = linear_task(optimizer=still, regularizers=regularizers), digits()
    metrics = fit(task, data).callback_metrics
    logits = task(data.samples.inputs[data.split.train])
    targets = data.samples.targets[data.split.train]
    assert metrics["train/loss"].item() == pytest.approx(F.cross_entropy(logits, targets).item(), rel=1e-5)
    assert metrics["train/accuracy"].item() == pytest.approx((logits.argmax(-1) == targets).float().mean().item())


def test_training_metrics_cover_every_batch_of_a_long_epoch(fit):
    task, data = linear_task(optimizer=still), digits(batch_size=20)
    metrics = fit(task, data).callback_metrics
    logits = task(data.samples.inputs[data.split.train])
    expected = F.cross_entropy(logits, data.samples.targets[data.split.train]).item()
    assert metrics["train/loss"].item() == pytest.approx(expected, rel=1e-5)


def test_training_on_wrong_labels_learns_nothing_and_says_so(fit):
    metrics = fit(linear_task(optimizer=sgd, regularizers=[DisturbLabel(100)]), max_epochs=5).callback_metrics
    assert metrics["train/accuracy"] < 0.4
    assert metrics["val/accuracy"] < 0.4


def test_regularizers_act_in_the_order_of_the_list_and_their_penalties_add_up():
    seen = []

    class Shift(Regularizer):
        def __init__(self, by):
            super().__init__()
            self.by = by

        def perturb(self, inputs, targets):
            seen.append((self.by, inputs.mean().item(), targets.shape))
            return inputs + self.by, targets

        def penalty(self, step):
            return step.outputs.new_tensor(float(self.by))

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


def test_an_item_that_is_not_a_regularizer_is_refused_by_name():
    with pytest.raises(ValueError, match=r"^Classifier: regularizers\[1\] \(a Dropout\) is not a Regularizer$"):
        linear_task(regularizers=[DisturbLabel(), nn.Dropout()])


@pytest.mark.parametrize(("step", "epoch"), [(1, 1), (50, 1), (53, 1), (60, 2)])
def test_a_loss_that_is_nan_stops_the_run_naming_step_and_epoch(fit, step, epoch):
    data = digits(batch_size=24)  # 54 steps an epoch
    with pytest.raises(TrainingError, match=f"the loss is nan at step {step}, epoch {epoch}: lower the learning rate"):
        fit(linear_task(loss=NaNLoss(step), optimizer=sgd), data, max_epochs=2)


@pytest.mark.parametrize(("batch", "step"), [(7, 4), (52, 26)])
def test_the_step_named_is_the_optimizers_when_gradients_are_accumulated(fit, batch, step):
    task = linear_task(loss=NaNLoss(batch), optimizer=sgd)
    with pytest.raises(TrainingError, match=f"at step {step}, epoch 1"):
        fit(task, digits(batch_size=24), accumulate_grad_batches=2)


def test_a_learning_rate_that_is_far_too_large_stops_the_run(fit):
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step \d+, epoch 1: lower the learning rate"):
        fit(linear_task(optimizer=functools.partial(SGD, lr=1e38)))


def test_validation_stops_where_the_network_gives_nan(fit):
    with pytest.raises(TrainingError, match=r"val/loss is (nan|inf)"):
        fit(linear_task(optimizer=functools.partial(SGD, lr=1e38)), digits(batch_size=2000))


def test_a_run_after_an_interrupted_one_measures_its_own_batches_alone(fit):
    task, reference = linear_task(optimizer=still), linear_task(optimizer=still)
    with pytest.raises(RuntimeError, match="out of memory"):
        fit(task, callbacks=[Interrupt(step=2)])
    expected = fit(reference).callback_metrics["train/loss"]
    assert fit(task).callback_metrics["train/loss"].item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_metrics_announced_are_those_logged(fit):
    task = linear_task()
    assert set(fit(task).callback_metrics) == set(task.metric_modes())
    assert task.metric_modes()["val/accuracy"] == "max"
    assert task.metric_modes()["val/loss"] == "min"


def test_one_regularizer_need_not_be_a_list():
    assert [type(item) for item in linear_task(regularizers=LabelSmoothing(0.1)).regularizers] == [LabelSmoothing]


@pytest.mark.parametrize("given", ["adam", torch.optim.Adam([torch.zeros(1, requires_grad=True)])])
def test_an_optimizer_that_is_not_a_function_is_refused(given):
    with pytest.raises(ValueError, match=rf"^optimizer: give a function .* not a {type(given).__name__}"):
        linear_task(optimizer=given)


def test_a_run_with_nothing_to_train_is_refused(fit):
    task = linear_task()
    task.network.requires_grad_(False)
    with pytest.raises(TrainingError, match="no trainable parameter"):
        fit(task)


@pytest.mark.parametrize(
    "optimizer", [functools.partial(LBFGS, lr=0.1), functools.partial(torch.optim.RMSprop, lr=1e-3, weight_decay=0.1)]
)
def test_any_optimizer_trains(fit, optimizer):
    metrics = fit(linear_task(optimizer=optimizer), max_epochs=2).callback_metrics
    assert metrics["val/loss"] < math.log(10)
