"""Metrics of regression are scikit-learn's in double precision, however large the mean and however grouped."""

import copy

import lightning as L
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference
from torch import nn
from torchmetrics.utilities import dim_zero_cat

from datamodules import DataModule, Samples
from models import Regressor
from models.metrics.regression import CoefficientOfDetermination, evaluation_metrics, training_metrics

SPREADS = st.sampled_from([1e-6, 1.0, 1e6])
OFFSETS = st.floats(-1e6, 1e6)  # means, as multiples of the spread


def made(mean, spread, outputs=1, samples=300, seed=0):
    generator = np.random.default_rng(seed)
    targets = spread * (mean + generator.standard_normal((samples, outputs)))
    return targets + 0.5 * spread * generator.standard_normal(targets.shape), targets


def expected_of(predictions, targets):
    squared = reference.mean_squared_error(targets, predictions)
    huber = nn.functional.huber_loss(torch.tensor(predictions), torch.tensor(targets)).item()
    return {
        "loss": squared,
        "rmse": squared**0.5,
        "mae": reference.mean_absolute_error(targets, predictions),
        "huber": huber,
        "r2": reference.r2_score(targets, predictions),
    }


def measured(metrics, predictions, targets, size):
    for batch in zip(torch.tensor(predictions).split(size), torch.tensor(targets).split(size), strict=True):
        metrics.update(*batch)
    return {name: float(value) for name, value in metrics.compute().items()}


@given(OFFSETS, SPREADS, st.sampled_from([1, 3]), st.integers(1, 300))
def test_they_are_scikit_learns_at_any_grouping(mean, spread, outputs, size):
    predictions, targets = made(mean, spread, outputs)
    expected = expected_of(predictions, targets)
    assert measured(evaluation_metrics(outputs), predictions, targets, size) == pytest.approx(expected, rel=1e-7)
    trained = measured(training_metrics(), predictions, targets, size)
    assert trained == pytest.approx({name: expected[name] for name in trained}, rel=1e-7)


@given(OFFSETS, SPREADS, st.integers(1, 4), st.sampled_from([1, 2]))
def test_r2_of_several_processes_is_that_of_one(mean, spread, processes, outputs):
    predictions, targets = made(mean, spread, outputs, samples=50)
    metrics = [CoefficientOfDetermination(outputs) for _ in range(processes)]
    parts = zip(np.array_split(predictions, processes), np.array_split(targets, processes), strict=True)
    for metric, (predicted, true) in zip(metrics, parts, strict=True):
        metric.update(torch.tensor(predicted), torch.tensor(true))
    together = copy.deepcopy(metrics[0])
    for name, reduce in together._reductions.items():  # what torchmetrics does with the states that it gathers
        gathered = torch.stack([getattr(metric, name) for metric in metrics])
        setattr(together, name, gathered if reduce in (None, dim_zero_cat) else reduce(gathered))
    assert float(together.compute()) == pytest.approx(reference.r2_score(targets, predictions), rel=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 + 0.1])  # scikit-learn takes the rounded mean of 0.1 for a variance
@pytest.mark.parametrize("size", [1, 7, 50])
def test_a_constant_target_is_explained_by_itself_alone(value, size):
    targets = np.full((50, 1), value)
    assert measured(evaluation_metrics(), targets, targets, size)["r2"] == 1
    assert measured(evaluation_metrics(), targets + 1, targets, size)["r2"] == 0


class Large(DataModule):
    """Targets of 1,000,000 ± 1, which single precision holds to a sixteenth."""

    class_names, input_shape, maximum = (), (2,), 1.0

    def load(self):
        generator = torch.Generator().manual_seed(0)
        inputs = torch.randn(400, 2, generator=generator)
        noise = 0.3 * torch.randn(400, 1, generator=generator, dtype=torch.float64)
        return Samples(inputs, 1e6 + inputs[:, :1].double() + noise)


@pytest.mark.parametrize("precision", ["32-true", "bf16-true"])
@pytest.mark.parametrize("size", [1, 32, 512])
def test_a_regressor_is_measured_as_its_predictions_are(quiet_trainer, size, precision):
    L.seed_everything(0, verbose=False)
    data = Large(eval_batch_size=size)
    data.setup()
    network = nn.Linear(2, 1)
    nn.init.zeros_(network.bias)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1.0, 0.0]]))
    task = Regressor(network, data.target_mean, data.target_std)
    trainer = quiet_trainer(precision=precision)
    (metrics,) = trainer.test(task, data, verbose=False)
    predictions = torch.cat(trainer.predict(task, data))
    targets = data.samples.targets[data.split.test]
    expected = expected_of(predictions.numpy(), targets.numpy())
    assert {name: metrics[f"test/{name}"] for name in expected} == pytest.approx(expected, rel=1e-6)
    assert metrics["test/r2"] > 0.85
    columns = task.prediction_columns(predictions, targets, ())
    for name, values in (("target", targets), ("prediction", predictions)):
        assert [float(cell) for cell in columns[name]] == values[:, 0].tolist(), "not a digit is lost"


def test_targets_are_standardised_before_they_are_rounded(quiet_trainer):
    data = Large()
    data.setup()
    task = Regressor(nn.Linear(2, 1), data.target_mean, data.target_std)
    train = data.samples.targets[data.split.train]
    expected = (train - train.mean()) / train.std(correction=0)
    for made in (task, task.to(torch.bfloat16), task.half()):
        torch.testing.assert_close(made.soft_targets(train), expected.float())


def test_a_constant_target_is_not_divided_by_the_rounding_of_its_mean():
    class Constant(Large):
        def load(self):
            return Samples(torch.randn(400, 2), torch.full((400, 1), 0.1, dtype=torch.float64))

    assert Constant().target_std == [1.0]
