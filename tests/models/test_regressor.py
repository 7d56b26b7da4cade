"""A regressor learns continuous targets, and its metrics are in their own unit."""

import functools

import lightning as L
import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from torch import nn
from torch.optim import SGD, AdamW

from datamodules import (
    DataError,
    Diabetes,
    Digits,
    Samples,
    SequenceDataModule,
    Sequences,
    SplitOptions,
    Thermometer,
)
from models import Regressor, TrainingError
from models.networks import MLP, Linear, Recurrent


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
    assert "test/r2" not in metrics, "it is undefined"
    assert np.isfinite(metrics["test/loss"])


def test_classes_are_refused():
    with pytest.raises(ValueError, match=r"use models\.Classifier"):
        made(Digits())


def test_a_loss_for_classes_is_refused_before_training(quiet_trainer, diabetes):
    with pytest.raises(TrainingError, match="loss: NLLLoss does not take outputs"):
        quiet_trainer(max_epochs=1).fit(made(diabetes, loss=nn.NLLLoss()), diabetes)


class Sums(SequenceDataModule):
    """Sequences of 3 to 6 numbers; the target of a step is twice their sum so far, which some steps do not have."""

    class_names = ()
    input_shape = (6, 1)
    unit = 1.0

    def load(self):
        random = torch.Generator().manual_seed(0)
        lengths = torch.randint(3, 7, (60,), generator=random)
        inputs = torch.randn(60, 6, 1, generator=random)
        targets = self.unit * 2 * inputs.double().cumsum(1) + 1.7e9 * (self.unit > 1)
        missing = torch.rand(60, 6, 1, generator=random) < 0.3
        missing[:, 1] = False
        missing |= (torch.arange(6) >= lengths.unsqueeze(1)).unsqueeze(-1)
        targets = targets.masked_fill(missing, torch.nan)
        return Samples(inputs, targets if self.unit > 1 else targets.float(), lengths=lengths)


def recurrent(input_shape, num_outputs):
    return Recurrent(input_shape, num_outputs, "gru", 8, output="every")


def test_steps_without_a_target_are_left_out_of_statistics_loss_and_metrics(quiet_trainer):
    torch.manual_seed(0)
    data = Sums(batch_size=8, eval_batch_size=3)
    task = Regressor(recurrent((6, 1), 1), *(data.target_mean, data.target_std))
    known = data.targets[data.split.train].double()
    known = known[~known.isnan()]
    assert data.target_mean == pytest.approx([known.mean().item()])
    batch = Sequences(data.samples.inputs[:5], data.samples.lengths[:5]), data.targets[:5]
    task._trainer = quiet_trainer()
    plain = Regressor(task.network, data.target_mean, data.target_std)
    plain._trainer = task._trainer
    loss = plain.training_step(batch, 0)
    labelled = ~data.targets[:5].isnan()
    outputs = task.network(batch[0])
    expected = nn.functional.mse_loss(outputs[labelled], plain.soft_targets(data.targets[:5])[labelled])
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    trainer = quiet_trainer(max_epochs=30)
    plain.optimizer_factory = functools.partial(AdamW, lr=0.02)
    trainer.fit(plain, data)
    assert trainer.callback_metrics["val/r2"] > 0.5
    (tested,) = trainer.test(plain, data, verbose=False)
    predicted = torch.cat(trainer.predict(plain, data))
    targets = data.targets[data.split.test]
    targets = targets[~targets.isnan()].view(-1, 1)
    assert predicted.shape == targets.shape
    assert tested["test/loss"] == pytest.approx(reference.mean_squared_error(targets, predicted), rel=1e-5)
    assert tested["test/mae"] == pytest.approx(reference.mean_absolute_error(targets, predicted), rel=1e-5)


def test_targets_that_float32_cannot_tell_apart_are_learnt_and_predicted_exactly(quiet_trainer):
    class Times(Sums):
        """The same sums, as times."""

        unit = 10.0

    weights, losses = [], []
    for make in (Sums, Times):
        L.seed_everything(0, verbose=False)
        data = make(batch_size=8)
        data.setup()
        data.shuffle_seed = 0
        task = Regressor(recurrent((6, 1), 1), data.target_mean, data.target_std)
        trainer = quiet_trainer(max_epochs=2)
        trainer.fit(task, data)
        weights.append(task.network.head.weight.detach())
        losses.append(trainer.callback_metrics["val/rmse"].item())
    torch.testing.assert_close(*weights, rtol=1e-4, atol=1e-5)
    assert losses[1] == pytest.approx(10 * losses[0], rel=1e-3)
    columns = task.prediction_columns(torch.cat(trainer.predict(task, data)), None, ())
    assert len(set(columns["prediction"])) > 20, "not rounded to six digits"


def test_a_network_that_gives_one_output_for_each_sequence_is_refused(quiet_trainer):
    data = Sums()
    task = Regressor(Recurrent((6, 1), 1, hidden_size=4), data.target_mean, data.target_std)
    with pytest.raises(TrainingError, match=r"targets \(N, T, 1\) need .*--model.network.output every"):
        quiet_trainer(max_epochs=1).fit(task, data)


def test_a_sequence_without_any_target_is_refused(monkeypatch):
    samples = Sums().load()
    samples.targets[4] = torch.nan
    monkeypatch.setattr(Sums, "load", lambda self: samples)
    with pytest.raises(DataError, match="Sums: sample 4 has no label at any step"):
        Sums().setup()


def test_half_precision_does_not_round_the_unit_of_the_targets():
    task = Regressor(Linear((2,), 1), [1234.567], [3.21]).bfloat16()
    assert task.network.head.weight.dtype == torch.bfloat16
    assert task.to_predictions(torch.zeros(1, 1, dtype=torch.bfloat16)).item() == pytest.approx(1234.567, rel=1e-6)
