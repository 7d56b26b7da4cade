"""A regressor learns continuous targets, and its metrics are in their own unit."""

import functools

import lightning as L
import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from torch import nn
from torch.optim import SGD, AdamW

from datamodules import Diabetes, Digits, SplitOptions, Thermometer
from models import Regressor, TrainingError
from models.networks import MLP, Linear


def made(data, network=Linear, **options):
    return Regressor(network(data.input_shape, data.num_outputs), data.target_mean, data.target_std, **options)


@pytest.fixture(scope="module")
def diabetes():
    data = Diabetes()
    data.setup()
    return data


def test_a_line_through_the_readings_is_that_of_least_squares(quiet_trainer):
    L.seed_everything(0, verbose=False)
    data = Thermometer(split=SplitOptions(val_size=2, test_size=2), batch_size=7)
    task = made(data, optimizer=functools.partial(SGD, lr=0.3))
    quiet_trainer(max_epochs=60).fit(task, data)
    points = torch.tensor([[0.0], [1.0]])
    with torch.no_grad():
        intercept, end = task.eval()(points).flatten().tolist()
    train = torch.from_numpy(data.split.train)
    slope, offset = np.polyfit(data.samples.inputs[train, 0], data.samples.targets[train, 0], 1)
    assert end - intercept == pytest.approx(slope, rel=1e-3)
    assert intercept == pytest.approx(offset, rel=1e-3)


def test_metrics_are_those_of_scikit_learn_in_the_targets_own_unit(quiet_trainer, diabetes):
    task = made(diabetes, functools.partial(MLP, widths=[8]))
    trainer = quiet_trainer()
    (metrics,) = trainer.test(task, diabetes, verbose=False)
    test = torch.from_numpy(diabetes.split.test)
    targets = diabetes.samples.targets[test].numpy()
    with torch.no_grad():
        predictions = task(diabetes.samples.inputs[test]).numpy()
    squared = reference.mean_squared_error(targets, predictions)
    assert metrics["test/loss"] == pytest.approx(squared, rel=1e-5)
    assert metrics["test/rmse"] == pytest.approx(squared**0.5, rel=1e-5)
    assert metrics["test/mae"] == pytest.approx(reference.mean_absolute_error(targets, predictions), rel=1e-5)
    assert metrics["test/r2"] == pytest.approx(reference.r2_score(targets, predictions), rel=1e-4)
    huber = nn.functional.huber_loss(torch.tensor(predictions), torch.tensor(targets)).item()
    assert metrics["test/huber"] == pytest.approx(huber, rel=1e-5)


@pytest.mark.parametrize("loss", [None, nn.L1Loss(), nn.HuberLoss()])
def test_it_learns_with_any_loss_and_the_metric_called_loss_stays_the_squared_error(quiet_trainer, diabetes, loss):
    L.seed_everything(0, verbose=False)
    task = made(diabetes, loss=loss, optimizer=functools.partial(AdamW, lr=0.03))
    trainer = quiet_trainer(max_epochs=20)
    trainer.fit(task, diabetes)
    metrics = {name: figure.item() for name, figure in trainer.callback_metrics.items()}
    assert metrics["val/r2"] > 0.3
    assert metrics["val/loss"] == pytest.approx(metrics["val/rmse"] ** 2, rel=1e-5)
    assert metrics["val/rmse"] > 10, "in the score's own unit"


def test_the_unit_of_the_targets_changes_nothing_but_the_unit(quiet_trainer, diabetes):
    class Scaled(Diabetes):
        """The same scores in another unit."""

        def load(self):
            samples = super().load()
            samples.targets.mul_(1000).add_(7)
            return samples

    measured = []
    for data in (Diabetes(), Scaled()):
        L.seed_everything(0, verbose=False)
        data.setup()
        data.shuffle_seed = 0
        trainer = quiet_trainer(max_epochs=3)
        trainer.fit(made(data), data)
        measured.append({name: figure.item() for name, figure in trainer.callback_metrics.items()})
    assert measured[1]["val/rmse"] == pytest.approx(1000 * measured[0]["val/rmse"], rel=1e-3)
    assert measured[1]["val/r2"] == pytest.approx(measured[0]["val/r2"], rel=1e-2)


def test_one_sample_has_no_coefficient_of_determination(quiet_trainer):
    data = Thermometer(split=SplitOptions(val_size=2, test_size=1))
    (metrics,) = quiet_trainer().test(made(data), data, verbose=False)
    assert np.isnan(metrics["test/r2"])
    assert np.isfinite(metrics["test/loss"])


def test_classes_are_refused():
    with pytest.raises(ValueError, match=r"use models\.Classifier"):
        made(Digits())


def test_a_loss_for_classes_is_refused_before_training(quiet_trainer, diabetes):
    with pytest.raises(TrainingError, match="loss: NLLLoss does not take outputs"):
        quiet_trainer(max_epochs=1).fit(made(diabetes, loss=nn.NLLLoss()), diabetes)
