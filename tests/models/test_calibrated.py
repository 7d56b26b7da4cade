"""A calibrated task divides its logits, decides as before, and forgets it all when it is trained."""

import math

import pytest
import torch

from datamodules import BreastCancer, DelayedEcho, Diabetes, Digits
from datamodules.augmentation import FlipViews
from models import Classifier, MultiLabelClassifier, Regressor
from models.calibration import Calibration, Conformal
from models.networks import MLP, Linear, Recurrent
from models.task import Task
from tests.digit_labels import DigitLabels

SETS = Calibration(2.0, Conformal(0.9, 0.6), 144)


@pytest.fixture
def classifier() -> Classifier:
    torch.manual_seed(0)
    return Classifier(MLP((1, 8, 8), 10, [16]), 10)


def figures_of(quiet_trainer, task, data):
    (metrics,) = quiet_trainer().test(task, data, verbose=False)
    return metrics


def test_forward_test_and_predict_divide_the_logits(quiet_trainer, classifier):
    data = Digits()
    before = torch.cat(quiet_trainer().predict(classifier, data))
    losses = figures_of(quiet_trainer, classifier, data)
    raw = classifier(data.samples.inputs[:5])
    classifier.take_calibration(SETS)
    assert classifier.temperature == 2
    assert torch.equal(classifier(data.samples.inputs[:5]), raw / 2)
    after = torch.cat(quiet_trainer().predict(classifier, data))
    torch.testing.assert_close(after, (before.log() / 2).softmax(-1))
    calibrated = figures_of(quiet_trainer, classifier, data)
    targets = data.samples.targets[data.split.test]
    assert calibrated["test/loss"] == pytest.approx(torch.nn.functional.nll_loss(after.log(), targets).item(), rel=1e-5)
    assert calibrated["test/accuracy"] == losses["test/accuracy"]
    classifier.take_calibration(None)
    assert figures_of(quiet_trainer, classifier, data) == losses, "nothing of it is left"


def test_a_test_measures_the_sets_that_predict_writes(quiet_trainer, classifier):
    data = Digits()
    classifier.take_calibration(SETS)
    metrics = figures_of(quiet_trainer, classifier, data)
    probabilities = torch.cat(quiet_trainer().predict(classifier, data))
    targets = data.samples.targets[data.split.test]
    names = [f"digit {digit}" for digit in range(10)]
    column = classifier.prediction_columns(probabilities, targets, names)["prediction_set"]
    sets = [set(filter(None, cell.split("|"))) for cell in column]
    expected = [
        {name for name, p in zip(names, row, strict=True) if 1 - p <= 0.6} for row in probabilities.double().tolist()
    ]
    assert sets == expected
    held = [names[target] in found for target, found in zip(targets.tolist(), sets, strict=True)]
    assert metrics["test/set_coverage"] == pytest.approx(sum(held) / 359)
    assert metrics["test/set_size"] == pytest.approx(sum(map(len, sets)) / 359)
    assert metrics["test/empty_sets"] == pytest.approx(sum(not found for found in sets) / 359)


def test_training_forgets_the_calibration(fit, classifier):
    plain = Classifier(MLP((1, 8, 8), 10, [16]), 10)
    plain.load_state_dict(classifier.state_dict())
    classifier.take_calibration(SETS)
    measured = [fit(task).callback_metrics for task in (plain, classifier)]
    assert measured[0] == measured[1]
    assert classifier.calibration is None
    assert "set_coverage" not in classifier.test_metrics
    weights = zip(plain.parameters(), classifier.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in weights)


def test_a_checkpoint_keeps_it(quiet_trainer, classifier, tmp_path):
    trainer = quiet_trainer()
    classifier.take_calibration(SETS)
    trainer.validate(classifier, Digits(), verbose=False)
    trainer.save_checkpoint(tmp_path / "kept.ckpt")
    assert Classifier.load_from_checkpoint(tmp_path / "kept.ckpt", weights_only=True).calibration == SETS


@pytest.mark.parametrize("temperature", [0.3, 4.0])
def test_decisions_on_several_labels_stay_those_of_their_thresholds(quiet_trainer, temperature):
    torch.manual_seed(0)
    task, data = MultiLabelClassifier(MLP((1, 8, 8), 3, [16]), 3), DigitLabels()
    quiet_trainer().validate(task, data, verbose=False)  # chooses thresholds
    thresholds = task.thresholds.values.clone()
    assert not torch.allclose(thresholds, torch.full((3,), 0.5), atol=0.01)
    before = figures_of(quiet_trainer, task, data)
    task.take_calibration(Calibration(temperature, Conformal(0.9, 0.7)))
    after = figures_of(quiet_trainer, task, data)
    decided = ("test/accuracy", "test/f1_macro", "test/exact_match", "test/auroc")
    assert {name: after[name] for name in decided} == {name: before[name] for name in decided}
    assert after["test/loss"] != before["test/loss"]
    quiet_trainer().validate(task, data, verbose=False)
    assert torch.equal(task.thresholds.values, thresholds), "they stay thresholds of unscaled probabilities"


def fitted(quiet_trainer, task, data, coverage):
    """Fit by hand: the raw outputs of the validation part, then the calibration."""
    trainer = quiet_trainer()
    batches = trainer.predict(task, data)  # sets the task up
    assert batches
    task.eval()
    kept = []
    for inputs, targets, *_ in data.val_dataloader():
        with torch.no_grad():
            kept.append(task.raw_outputs((inputs / data.maximum, targets)))
    outputs, targets = (torch.cat(some) for some in zip(*kept, strict=True))
    predictions = task.to_predictions(outputs)
    return task.fit_calibration(predictions, targets, coverage), predictions, targets


def test_intervals_of_a_regressor_are_quantiles_of_the_errors(quiet_trainer):
    torch.manual_seed(0)
    data = Diabetes()
    data.setup()
    task = Regressor(Linear((10,), 1), data.target_mean, data.target_std)
    calibration, predictions, targets = fitted(quiet_trainer, task, data, 0.8)
    assert calibration.temperature == 1
    errors = (predictions - targets).abs().flatten().sort().values
    task.take_calibration(calibration)
    half = task.interval_half_widths()
    assert half.item() == pytest.approx(errors[math.ceil((len(errors) + 1) * 0.8) - 1].item())
    columns = task.prediction_columns(predictions[:2], None, ())
    assert list(columns) == ["prediction", "lower", "upper"]
    assert float(columns["upper"][0]) - float(columns["lower"][0]) == pytest.approx(2 * half.item())
    metrics = figures_of(quiet_trainer, task, data)
    found = torch.cat(quiet_trainer().predict(task, data))
    true = data.samples.targets[data.split.test]
    assert metrics["test/interval_coverage"] == pytest.approx(((found - true).abs() <= half).double().mean().item())


def test_each_labelled_step_is_a_sample(quiet_trainer):
    torch.manual_seed(0)
    data = DelayedEcho()
    data.setup()
    task = Classifier(Recurrent(data.input_shape, data.num_classes, hidden_size=4, output="every"), data.num_classes)
    calibration, outputs, _ = fitted(quiet_trainer, task, data, 0.9)
    assert calibration.samples == len(outputs) > len(data.split.val)


def test_the_logits_of_views_are_averaged_and_nothing_else_changes(quiet_trainer, classifier):
    data = Digits()
    plain = torch.cat(quiet_trainer().predict(classifier, data))
    classifier.views = FlipViews()
    seen = torch.cat(quiet_trainer().predict(classifier, data))
    images = data.samples.inputs[data.split.test]
    with torch.no_grad():
        expected = (classifier(images) + classifier(images.flip(-1))).div(2).softmax(-1)
    torch.testing.assert_close(seen, expected)
    assert not torch.allclose(seen, plain)
    classifier.views = None
    assert torch.equal(torch.cat(quiet_trainer().predict(classifier, data)), plain)


def test_rows_of_a_table_have_no_views(quiet_trainer):
    task = Classifier(Linear((30,), 2), 2)
    task.views = FlipViews()
    with pytest.raises(ValueError, match="FlipViews takes images, not samples"):
        quiet_trainer().test(task, BreastCancer(), verbose=False)


def test_a_task_of_ones_own_says_what_it_lacks(classifier):
    with pytest.raises(RuntimeError, match="Classifier has no scores for prediction sets: define its nonconformity"):
        Task.nonconformity(classifier, torch.zeros(3, 10), torch.zeros(3).long())
