"""The metrics agree with scikit-learn's and with their definitions written out."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from models.metrics.classification import evaluation_metrics, training_metrics
from models.metrics.classification import test_metrics as metrics_of_a_test
from models.metrics.mean_loss import MeanCrossEntropy


def predictions(samples=997, classes=10):
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(samples, classes, generator=generator)
    guesses = torch.randint(classes, (samples,), generator=generator)
    right = torch.rand(samples, generator=generator) < 0.6  # whatever the confidence: some bins lie above, some below
    return logits, torch.where(right, logits.argmax(-1), guesses)


def measured(metrics, logits, targets, batch_size=100):
    for batch in zip(logits.split(batch_size), targets.split(batch_size), strict=True):
        metrics.update(*batch)
    return {name: float(value) for name, value in metrics.compute().items()}


def calibration_error(probabilities, targets, bins=15):
    """Write the definition out: each bin's gap between confidence and accuracy, weighted by its share of samples."""
    confidence, predicted = probabilities.double().max(-1)
    correct, total = (predicted == targets).double(), 0.0
    for number in range(bins):
        inside = (confidence > number / bins) & (confidence <= (number + 1) / bins)
        if inside.any():
            gap = correct[inside].mean() - confidence[inside].mean()
            total += inside.double().mean().item() * abs(gap.item())
    return total


@pytest.mark.parametrize("scale", [0.1, 1, 2])
def test_the_metrics_are_scikit_learns(scale):
    logits, targets = predictions()
    logits = logits * scale
    metrics = measured(evaluation_metrics(10), logits, targets)
    probabilities = logits.double().softmax(-1)
    predicted = probabilities.argmax(-1)
    assert metrics["loss"] == pytest.approx(reference.log_loss(targets, probabilities), rel=1e-5)
    assert metrics["accuracy"] == pytest.approx(reference.accuracy_score(targets, predicted))
    assert metrics["f1_macro"] == pytest.approx(reference.f1_score(targets, predicted, average="macro"))
    assert metrics["top5_accuracy"] == pytest.approx(reference.top_k_accuracy_score(targets, probabilities, k=5))
    assert metrics["calibration_error"] == pytest.approx(calibration_error(probabilities, targets), abs=1e-6)


def test_the_metrics_do_not_depend_on_the_batch_size():
    logits, targets = predictions()
    small = measured(evaluation_metrics(10), logits, targets, batch_size=83)
    assert small == pytest.approx(measured(evaluation_metrics(10), logits, targets, batch_size=1000), rel=1e-6)


def test_logits_that_look_like_probabilities_are_still_logits():
    logits, targets = torch.rand(200, 10, generator=torch.Generator().manual_seed(0)), torch.arange(200) % 10
    metrics = measured(evaluation_metrics(10), logits, targets)
    assert metrics["calibration_error"] == pytest.approx(calibration_error(logits.softmax(-1), targets), abs=1e-6)


def test_the_accuracy_of_each_class_is_its_recall():
    logits, targets = predictions()
    metric = metrics_of_a_test(10)["class_accuracy"]
    metric.update(logits, targets)
    recall = reference.recall_score(targets, logits.argmax(-1), average=None)
    assert metric.compute().tolist() == pytest.approx(recall.tolist())


def test_a_class_without_samples_has_no_accuracy():
    logits, targets = predictions(classes=4)
    kept = targets != 2
    metric = metrics_of_a_test(4)["class_accuracy"]
    metric.update(logits[kept], targets[kept])
    values = metric.compute()
    assert values.isnan().tolist() == [False, False, True, False]
    predicted = logits[kept].argmax(-1)
    recall = reference.recall_score(targets[kept], predicted, average=None, labels=range(4), zero_division=0)
    assert values[[0, 1, 3]].tolist() == pytest.approx(recall[[0, 1, 3]].tolist())


def test_certain_predictions_are_in_the_last_bin():
    sure = math.log(0.95 / 0.05)
    logits = torch.tensor([[1e4, 0.0]] * 20 + [[sure, 0.0]] * 20)  # 19 right of 20 at confidence 1, all at 0.95
    targets = torch.tensor([1] + [0] * 39)
    assert measured(evaluation_metrics(2), logits, targets)["calibration_error"] == pytest.approx(0, abs=1e-8)


@given(st.lists(st.tuples(st.sampled_from([0.5, 0.6, 10 / 15, 0.8, 14 / 15, 0.99, 1.0]), st.booleans()), min_size=1))
def test_the_calibration_error_is_its_definition_at_any_grouping(pairs):
    p = torch.tensor([p for p, _ in pairs], dtype=torch.float64)
    logits = torch.stack([p.log(), (1 - p).log()], 1)
    targets = torch.tensor([int(wrong) for _, wrong in pairs])
    expected = calibration_error(logits.softmax(-1), targets)
    for size in (1, 2, len(pairs)):
        metrics = measured(evaluation_metrics(2), logits, targets, size)
        assert metrics["calibration_error"] == pytest.approx(expected, abs=1e-7)


def test_the_loss_of_sure_predictions_does_not_vanish():
    logits = torch.tensor([[20.0, 0.0], [25.0, 0.0]])  # beside 1, the other class is lost in single precision
    loss = measured(evaluation_metrics(2), logits, torch.tensor([0, 0]))["loss"]
    assert loss == pytest.approx((math.exp(-20) + math.exp(-25)) / 2, rel=1e-6)


def test_the_loss_is_the_mean_over_samples_not_over_batches():
    logits, targets = predictions(samples=11)
    metric = MeanCrossEntropy()
    metric.update(logits[:10], targets[:10])
    metric.update(logits[10:], targets[10:])
    assert float(metric.compute()) == pytest.approx(float(torch.nn.functional.cross_entropy(logits, targets)))


def test_half_precision_logits_are_measured_in_full_precision():
    logits, targets = predictions()
    halves = logits.bfloat16()
    full = measured(evaluation_metrics(10), halves.float(), targets)
    assert measured(evaluation_metrics(10), halves, targets) == pytest.approx(full)


@pytest.mark.parametrize(("classes", "expected"), [(5, False), (6, True)])
def test_top5_accuracy_is_there_where_it_means_something(classes, expected):
    assert ("top5_accuracy" in evaluation_metrics(classes)) is expected


def test_every_metric_knows_whether_higher_is_better():
    better = {name: metric.higher_is_better for name, metric in evaluation_metrics(10).items()}
    assert better == {
        "loss": False, "accuracy": True, "f1_macro": True, "calibration_error": False, "top5_accuracy": True
    }  # fmt: skip
    assert set(training_metrics(10)) == {"loss", "accuracy"}
