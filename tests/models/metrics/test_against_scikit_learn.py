"""Every metric of classes and of yes/no labels is scikit-learn's in float64, however batches are cut.

Classes and labels may be absent, all samples alike, logits tied, constant or far from 0; steps may have no label.
"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference
from torch import nn

from models import Classifier, MultiLabelClassifier, Regressor
from models.metrics import classification, multi_label, regression

LEVELS = st.sampled_from([0, 2, 5, 1000])  # different values of a logit; 0 for one
OFFSETS = st.sampled_from([0.0, -30.0, 1e4])


@st.composite
def cut(draw, samples):
    """Draw sizes of batches that add up to a number of samples."""
    sizes = []
    while sum(sizes) < samples:
        sizes.append(draw(st.integers(1, samples - sum(sizes))))
    return sizes


def logits_of(shape, levels, offset, seed):
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(max(levels, 1), shape, generator=generator) if levels < 1000 else None
    values = torch.randn(shape, generator=generator) if drawn is None else drawn.float()
    return 3 * values + offset


def measured(metrics, outputs, targets, sizes):
    for batch in zip(outputs.split(sizes), targets.split(sizes), strict=True):
        metrics.update(*batch)
    return {name: value.tolist() for name, value in metrics.compute().items()}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=2e-6, abs=1e-7, nan_ok=True), name


def expected_of_classes(logits, targets, classes):
    """Measure by scikit-learn, in float64; ties go to the first class, as in argmax."""
    exact = logits.double().numpy()
    logs = torch.from_numpy(exact).log_softmax(-1).numpy()
    true, predicted = targets.numpy(), exact.argmax(1)
    recall = reference.recall_score(true, predicted, labels=range(classes), average=None, zero_division=0)
    sure = np.exp(logs).max(1)
    found = {
        "loss": -logs[np.arange(len(true)), true].mean(),
        "accuracy": reference.accuracy_score(true, predicted),
        "f1_macro": reference.f1_score(true, predicted, average="macro", zero_division=0),
        "calibration_error": calibration_error(sure, predicted == true),
        "brier_score": ((np.exp(logs) - np.eye(classes)[true]) ** 2).sum(1).mean(),
        "adaptive_calibration_error": adaptive_calibration_error(sure, predicted == true),
        "aurc": area_under_risk_coverage(sure, predicted != true),
        "class_accuracy": [recall[label] if label in true else math.nan for label in range(classes)],
    }
    if classes == 2:
        score, positive = exact[:, 1] - exact[:, 0], true == 1
        found["auroc"] = reference.roc_auc_score(positive, score) if len(set(true)) == 2 else math.nan
        found["average_precision"] = reference.average_precision_score(positive, score) if positive.any() else math.nan
    return found


def calibration_error(confidences, right, bins=15):
    number = np.clip(np.ceil(confidences * bins), 1, bins)
    gaps = [(right[number == k] - confidences[number == k]).sum() for k in range(1, bins + 1)]
    return np.abs(gaps).sum() / len(right)


def ranks(confidences):
    """Return how many samples are surer than each, and how many as sure, itself included; no sorting."""
    rounded = np.round(confidences, 12)
    return (rounded > rounded[:, None]).sum(1), (rounded == rounded[:, None]).sum(1)


def adaptive_calibration_error(confidences, right, bins=15):
    """Spread each sample over the places that it may have among its equals, and these over bins of equal size."""
    (first, equal), gaps, start = ranks(confidences), [], 0
    for places in np.array_split(np.arange(len(right)), bins):
        end = start + len(places)
        share = np.clip(np.minimum(first + equal, end) - np.maximum(first, start), 0, None) / equal
        gaps.append((share * (right - confidences)).sum())
        start = end
    return np.abs(gaps).sum() / len(right)


def area_under_risk_coverage(confidences, wrong):
    """Average the expected error rate among the k surest, each of which is among them with some probability."""
    first, equal = ranks(confidences)
    counts = np.arange(1, len(wrong) + 1)
    return np.mean([(np.clip((k - first) / equal, 0, 1) * wrong).sum() / k for k in counts])


@settings(max_examples=60)
@given(st.data(), st.sampled_from([2, 3, 5]), st.integers(1, 40), LEVELS, OFFSETS, st.integers(0, 10_000))
def test_of_classes(data, classes, samples, levels, offset, seed):
    present = data.draw(st.lists(st.integers(0, classes - 1), min_size=1, max_size=classes, unique=True))
    targets = torch.tensor(present)[torch.arange(samples) % len(present)]
    logits = logits_of((samples, classes), levels, offset, seed)
    found = measured(classification.test_metrics(classes), logits, targets, data.draw(cut(samples)))
    assert_same(found, expected_of_classes(logits, targets, classes))


@settings(max_examples=30)
@given(st.integers(6, 9), st.integers(1, 40), OFFSETS, st.integers(0, 10_000), st.integers(1, 40))
def test_top_5_accuracy(classes, samples, offset, seed, size):
    logits = logits_of((samples, classes), 1000, offset, seed)
    targets = torch.randint(classes, (samples,), generator=torch.Generator().manual_seed(seed))
    if offset == 1e4:
        return  # rounding to single precision makes ties, which the two libraries break differently
    found = measured(classification.evaluation_metrics(classes), logits, targets, size)["top5_accuracy"]
    assert found == pytest.approx(reference.top_k_accuracy_score(targets, logits, k=5, labels=range(classes)))


def expected_of_labels(logits, targets):
    """Measure by scikit-learn, in float64, with decisions at 1/2; a label without positives is part of no mean."""
    scores, true = logits.double().numpy(), targets.numpy()
    decisions, labels = scores >= 0, range(true.shape[1])

    def each(score, given):
        return [score(true[:, k], given[:, k]) if true[:, k].any() else math.nan for k in labels]

    areas = [
        reference.roc_auc_score(true[:, k], scores[:, k]) if set(true[:, k]) == {0, 1} else math.nan for k in labels
    ]
    precisions = each(reference.average_precision_score, scores)
    f1 = each(lambda *pair: reference.f1_score(*pair, zero_division=0), decisions)
    losses = nn.functional.binary_cross_entropy_with_logits(logits.double(), targets.double())
    means = {"auroc": areas, "average_precision": precisions, "f1_macro": f1}
    found = {name: np.nanmean(some) if not np.isnan(some).all() else math.nan for name, some in means.items()}
    probabilities = torch.from_numpy(scores).sigmoid().numpy()
    found["brier_score"] = np.mean((probabilities - true) ** 2)
    found["calibration_error"] = calibration_error(probabilities.ravel(), true.ravel())
    found["adaptive_calibration_error"] = adaptive_calibration_error(probabilities.ravel(), true.ravel())
    found |= {"loss": losses.item(), "accuracy": 1 - reference.hamming_loss(true, decisions)}
    if len(labels) > 1:
        found["exact_match"] = reference.accuracy_score(true, decisions)
        found |= {"label_auroc": areas, "label_average_precision": precisions, "label_f1": f1}
    return found


@settings(max_examples=60)
@given(st.data(), st.sampled_from([1, 3]), st.integers(1, 40), LEVELS, OFFSETS, st.integers(0, 10_000))
def test_of_labels(data, labels, samples, levels, offset, seed):
    shares = torch.tensor([data.draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])) for _ in range(labels)])
    targets = torch.rand(samples, labels, generator=torch.Generator().manual_seed(seed)) < shares
    logits = logits_of((samples, labels), levels, offset, seed) - 3 * (levels // 2)
    metrics = multi_label.test_metrics(labels, lambda probabilities: probabilities >= 0.5)
    assert_same(measured(metrics, logits, targets, data.draw(cut(samples))), expected_of_labels(logits, targets))


@settings(max_examples=30)
@given(st.sampled_from(["classes", "two", "values"]), st.integers(1, 5), st.integers(0, 10_000))
def test_steps_without_a_label_are_no_part_of_any(kind, size, seed):
    generator = torch.Generator().manual_seed(seed)
    inputs, labelled = torch.randn(12, 4, 3, generator=generator), torch.rand(12, 4, generator=generator) < 0.5
    labelled[:, 0] = True
    if kind == "values":
        task, all_targets = Regressor(nn.Linear(3, 2), [1.0, 2.0], [3.0, 4.0]), torch.randn(12, 4, 2)
        targets = all_targets.masked_fill(~labelled.unsqueeze(-1), math.nan)
        metrics, again = task.val_metrics, regression.evaluation_metrics(2)
    else:
        classes = 2 if kind == "two" else 3
        task, all_targets = Classifier(nn.Linear(3, classes), classes), torch.randint(classes, (12, 4))
        targets = all_targets.masked_fill(~labelled, -100)
        metrics, again = task.val_metrics, classification.evaluation_metrics(classes)
    with torch.no_grad():
        for batch in zip(inputs.split(size), targets.split(size), strict=True):
            task.validation_step(batch, 0)
        again.update(task.to_predictions(task.network(inputs)[labelled]), all_targets[labelled])
    found, expected = ({name: v.item() for name, v in m.compute().items()} for m in (metrics, again))
    assert_same(found, expected)


def test_these_are_all_that_there_are():
    """A metric that is new has a definition above, in `test_regression.py` or, top-5 accuracy, beside it."""
    classes, two = (set(classification.test_metrics(number)) for number in (6, 2))
    logits, targets = torch.randn(9, 2), torch.arange(9) % 2
    assert two == expected_of_classes(logits, targets, 2).keys()
    assert classes == two - {"auroc", "average_precision"} | {"top5_accuracy"}
    labels = multi_label.test_metrics(2, lambda probabilities: probabilities >= 0.5)
    assert set(labels) == expected_of_labels(logits, torch.stack([targets, 1 - targets], 1)).keys()
    tasks = Classifier(nn.Linear(3, 6), 6), MultiLabelClassifier(nn.Linear(3, 2), 2)
    assert [set(task.test_metrics) for task in tasks] == [classes, set(labels)]
