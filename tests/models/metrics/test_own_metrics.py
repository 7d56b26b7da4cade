"""Metrics of a user's choice: what they are given, how they are called, and what they may return."""

from functools import partial

import pytest
import torch
from torch import nn
from torchmetrics import MeanAbsolutePercentageError, Metric, PearsonCorrCoef
from torchmetrics.classification import (
    MulticlassAUROC,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassFBetaScore,
    MulticlassMatthewsCorrCoef,
    MultilabelF1Score,
)

from datamodules import Digits
from models import Classifier, MultiLabelClassifier, Regressor, TrainingError
from models.metrics.names import by_name
from models.metrics.own import make_metrics, single_column
from models.networks import MLP


class Returns(Metric):
    """Returns what it is told to."""

    higher_is_better = True

    def __init__(self, value: object = 1.0) -> None:
        super().__init__()
        self.value = value

    def update(self, predictions: torch.Tensor, targets: torch.Tensor) -> None:
        self.given = predictions, targets

    def compute(self) -> object:
        return self.value


def classifier(*metrics: object, classes: int = 3) -> Classifier:
    return Classifier(nn.Linear(4, classes), classes, metrics=list(metrics))


def computed(task, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
    task.val_metrics.update(outputs, targets)
    return task.val_metrics.compute()


@pytest.mark.parametrize("split", [[90], [40, 50]])
def test_a_classifiers_are_those_of_torchmetrics_on_probabilities(split) -> None:
    logits, labels = torch.randn(90, 3) / 9, torch.randint(3, (90,))
    task = classifier(MulticlassMatthewsCorrCoef, partial(MulticlassFBetaScore, beta=2.0), MulticlassAUROC(3))
    for part, target in zip(logits.split(split), labels.split(split), strict=True):
        task.val_metrics.update(part, target)
    found = task.val_metrics.compute()
    probabilities = logits.softmax(-1)
    torch.testing.assert_close(
        found["multiclass_matthews_corr_coef"], MulticlassMatthewsCorrCoef(3)(probabilities, labels)
    )
    torch.testing.assert_close(found["multiclass_f_beta_score"], MulticlassFBetaScore(2.0, 3)(probabilities, labels))
    torch.testing.assert_close(found["multiclass_auroc"], MulticlassAUROC(3)(probabilities, labels))


def test_a_multi_label_classifiers_are_given_probabilities_and_whole_numbers() -> None:
    logits, labels = torch.randn(50, 4), torch.rand(50, 4) > 0.5
    task = MultiLabelClassifier(nn.Linear(4, 4), 4, metrics=[MultilabelF1Score, Returns()])
    found = computed(task, logits, labels)["multilabel_f1_score"]
    torch.testing.assert_close(found, MultilabelF1Score(4)(logits.sigmoid(), labels.long()))


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_regressors_are_given_values_in_their_unit_in_double_precision(outputs) -> None:
    targets = 1e6 + torch.randn(60, outputs, dtype=torch.float64)
    predictions = targets + 0.3 * torch.randn_like(targets)
    metrics = [MeanAbsolutePercentageError, PearsonCorrCoef]
    task = Regressor(nn.Linear(4, outputs), [0.0] * outputs, [1.0] * outputs, metrics=metrics)
    found = computed(task, predictions, targets)
    expected = ((predictions - targets) / targets).abs().mean()
    torch.testing.assert_close(found["mean_absolute_percentage_error"], expected.float())
    correlations = torch.stack(
        [torch.corrcoef(torch.stack([predictions[:, k], targets[:, k]]))[0, 1] for k in range(outputs)]
    )
    torch.testing.assert_close(found["pearson_corr_coef"].reshape(-1), correlations.float(), atol=1e-4, rtol=0)


def test_one_output_is_handed_over_without_its_axis() -> None:
    metric = Returns()
    task = Regressor(nn.Linear(4, 1), [0.0], [1.0], metrics=[metric])
    task.val_metrics.update(torch.zeros(5, 1), torch.ones(5, 1))
    assert [values.shape for values in metric.given] == [(5,), (5,)]


def test_names_follow_the_class_and_repeat_no_other() -> None:
    metrics = [MulticlassF1Score, MulticlassF1Score, Returns(), type("Accuracy", (Returns,), {})()]
    names = set(classifier(*metrics).val_metrics.keys()) - set(classifier().val_metrics.keys())
    assert names == {"multiclass_f1_score", "multiclass_f1_score_2", "returns", "accuracy_2"}


def test_the_direction_is_the_metrics_own() -> None:
    modes = classifier(MulticlassMatthewsCorrCoef, MeanAbsolutePercentageError).metric_modes()
    assert modes["val/multiclass_matthews_corr_coef"] == "max"
    assert modes["val/mean_absolute_percentage_error"] == "min"


@pytest.mark.parametrize(
    ("value", "logged"),
    [
        (2, {"val/returns": 2.0}),
        (torch.tensor([3.0]), {"val/returns": 3.0}),
        (torch.arange(3), {"val/returns/a": 0.0, "val/returns/b": 1.0, "val/returns/c": 2.0}),
        ({"x": 1.0, "y": torch.tensor(2)}, {"val/returns/x": 1.0, "val/returns/y": 2.0}),
    ],
)
def test_a_value_is_logged_under_the_metrics_name(value, logged) -> None:
    found = computed(classifier(Returns(value)), torch.zeros(2, 3), torch.tensor([0, 1]))
    values = by_name("val", found, ["a", "b", "c"])
    assert {name: float(number) for name, number in values.items() if "returns" in name} == logged


@pytest.mark.parametrize("value", [torch.zeros(4), torch.zeros(3, 3), (1.0, 2.0), "much", None, {"a": [1.0]}])
def test_another_value_is_one_line(value) -> None:
    with pytest.raises(TrainingError, match=r"^metrics: Returns gives a .*; a metric gives a number, 3 numbers, or"):
        computed(classifier(Returns(value)), torch.zeros(2, 3), torch.tensor([0, 1]))
    with pytest.raises(TrainingError, match=r"MulticlassConfusionMatrix gives a tensor \(3, 3\)"):
        computed(classifier(MulticlassConfusionMatrix), torch.zeros(2, 3), torch.tensor([0, 1]))


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (MultilabelF1Score, "metrics: MultilabelF1Score: missing 1 required .*'num_labels'; this task has num_classes"),
        (partial(MulticlassFBetaScore, beta=-1.0), "metrics: MulticlassFBetaScore: Expected argument `beta`"),
        (nn.Identity, "metrics: Identity is not a metric of torchmetrics"),
        ("accuracy", "metrics: 'accuracy' is not a metric"),
    ],
)
def test_a_metric_that_cannot_be_made_is_one_line(metric, said) -> None:
    with pytest.raises(ValueError, match=said):
        classifier(metric)


def test_predictions_that_a_metric_does_not_take_are_one_line() -> None:
    with pytest.raises(TrainingError, match=r"PearsonCorrCoef does not take .* \(2, 3\) \(float32\) and \(2,\)"):
        computed(classifier(PearsonCorrCoef), torch.zeros(2, 3), torch.tensor([0, 1]))


def test_a_notebooks_metric_is_logged_and_can_be_monitored(quiet_trainer) -> None:
    task = Classifier(MLP((1, 8, 8), 10, widths=[8]), 10, metrics=MulticlassMatthewsCorrCoef(10))
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(task, datamodule=Digits())
    assert abs(trainer.callback_metrics["val/multiclass_matthews_corr_coef"]) <= 1
    assert "test/multiclass_matthews_corr_coef" in trainer.test(task, datamodule=Digits(), verbose=False)[0]


def test_the_same_metrics_of_two_tasks_share_nothing() -> None:
    made = make_metrics([MulticlassF1Score], single_column, [], num_classes=3)
    assert make_metrics([MulticlassF1Score], single_column, [], num_classes=3)["multiclass_f1_score"] is not made
    task = classifier(MulticlassF1Score(3))
    task.val_metrics.update(torch.eye(3), torch.arange(3))
    assert task.test_metrics["multiclass_f1_score"].wrapped_metric.tp.sum() == 0
