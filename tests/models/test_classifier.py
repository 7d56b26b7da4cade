"""A classifier learns digits, and its metrics are those of clean data whatever it was trained with."""

import functools

import lightning as L
import pytest
import torch
from sklearn import metrics as reference
from torch import nn
from torch.optim import AdamW
from torch.utils.data import DataLoader
from torchmetrics import MeanSquaredError

from datamodules import BreastCancer, Digits, Samples
from models import Classifier, Preprocessing, TrainingError
from models.networks import MLP, Linear
from models.regularizers import ConfidencePenalty, DisturbLabel, LabelSmoothing, MixUp, Scheduled

CHAINS = [[], [DisturbLabel(20)], [LabelSmoothing(0.1)], [LabelSmoothing(0.1, "others"), DisturbLabel(10)]]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return MLP((1, 8, 8), 10, [32], dropout=0.5)


@pytest.mark.parametrize("regularizers", CHAINS)
def test_digits_are_learnt_in_a_few_epochs(quiet_trainer, regularizers):
    L.seed_everything(0, verbose=False)
    optimizer = functools.partial(AdamW, lr=0.02)
    task = Classifier(MLP((1, 8, 8), 10, [64]), 10, regularizers=regularizers, optimizer=optimizer)
    trainer = quiet_trainer(max_epochs=5)
    trainer.fit(task, Digits(batch_size=128))
    assert trainer.callback_metrics["val/accuracy"] > 0.9
    assert trainer.callback_metrics["train/accuracy"] > 0.9


@pytest.mark.parametrize("stage", ["validate", "test"])
def test_the_same_weights_have_the_same_metrics_whatever_they_are_trained_with(quiet_trainer, network, stage):
    measured = []
    for regularizers in CHAINS:
        task = Classifier(network, 10, loss=nn.MultiMarginLoss(), regularizers=regularizers)
        measured += getattr(quiet_trainer(), stage)(task, Digits(), verbose=False)
    assert len(measured[0]) >= 5
    assert all(metrics == measured[0] for metrics in measured)


def test_the_metrics_are_scikit_learns_on_the_predictions(quiet_trainer, network):
    task, data = Classifier(network, 10), Digits(eval_batch_size=100)
    trainer = quiet_trainer()
    (metrics,) = trainer.test(task, data, verbose=False)
    probabilities = torch.cat(trainer.predict(task, data)).double()
    targets = data.samples.targets[data.split.test]
    predicted = probabilities.argmax(-1)
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(359, dtype=torch.float64), atol=1e-6, rtol=0)
    assert metrics["test/accuracy"] == pytest.approx(reference.accuracy_score(targets, predicted))
    assert metrics["test/f1_macro"] == pytest.approx(reference.f1_score(targets, predicted, average="macro"))
    assert metrics["test/loss"] == pytest.approx(
        reference.log_loss(targets, probabilities / probabilities.sum(-1, keepdim=True)), rel=1e-5
    )
    recall = reference.recall_score(targets, predicted, average=None)
    assert [metrics[f"test/class_accuracy/{digit}"] for digit in range(10)] == pytest.approx(recall.tolist())


def test_the_accuracy_of_each_class_is_logged_under_its_name(quiet_trainer, network):
    class Named(Digits):
        class_names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

    (metrics,) = quiet_trainer().test(Classifier(network, 10), Named(), verbose=False)
    assert "test/class_accuracy/seven" in metrics


def test_a_class_without_test_samples_is_left_out(quiet_trainer):
    class Wider(Digits):
        class_names = (*map(str, range(10)), "ten")

    (metrics,) = quiet_trainer().test(Classifier(MLP((1, 8, 8), 11), 11), Wider(), verbose=False)
    assert {f"test/class_accuracy/{digit}" for digit in range(10)} < set(metrics)
    assert "test/class_accuracy/ten" not in metrics


def test_a_test_needs_no_datamodule(quiet_trainer, network):
    data = Digits()
    data.setup()
    prepare = Preprocessing(**data.preprocessing)
    batches = [(prepare(inputs), targets) for inputs, targets in data.test_dataloader()]
    (metrics,) = quiet_trainer().test(Classifier(network, 10), DataLoader(batches, batch_size=None), verbose=False)
    (expected,) = quiet_trainer().test(Classifier(network, 10), Digits(), verbose=False)
    assert metrics == expected


def test_metrics_do_not_depend_on_the_evaluation_batch_size(quiet_trainer, network):
    measured = [
        quiet_trainer().test(Classifier(network, 10), Digits(eval_batch_size=size), verbose=False)[0]
        for size in (17, 512)
    ]
    assert measured[0] == pytest.approx(measured[1], rel=1e-5)


def test_a_second_test_starts_from_nothing(quiet_trainer, network):
    task = Classifier(network, 10)
    (first,) = quiet_trainer().test(task, Digits(), verbose=False)
    (second,) = quiet_trainer().test(task, Digits(), verbose=False)
    assert second == first


def test_another_loss_changes_what_is_minimised_and_not_what_is_reported():
    torch.manual_seed(0)
    inputs, targets = torch.rand(8, 1, 8, 8), torch.arange(8)
    network = Linear((1, 8, 8), 10)
    objective = Classifier(network, 10, loss=nn.MultiMarginLoss()).training_step((inputs, targets), 0)
    assert objective.item() == pytest.approx(nn.MultiMarginLoss()(network(inputs), targets).item())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, torch.linspace(0.1, 3, 10)], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_loss_is_that_of_labels_where_regularizers_made_probabilities_of_them(reduction, weight, smoothing):
    torch.manual_seed(0)
    loss = nn.CrossEntropyLoss(weight, reduction=reduction, label_smoothing=smoothing)
    task = Classifier(Linear((1, 8, 8), 10), 10, loss=loss, regularizers=[MixUp(0.2)])
    logits, targets = torch.randn(32, 10), torch.randint(10, (32,))
    expected = nn.functional.cross_entropy(logits, targets, weight, reduction=reduction, label_smoothing=smoothing)
    torch.testing.assert_close(task.compute_loss(logits, targets), expected)
    torch.testing.assert_close(task.compute_loss(logits, task.soft_targets(targets)), expected)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (nn.CrossEntropyLoss(reduction="none"), r"^loss: reduction 'none' leaves one number per sample"),
        (nn.MultiMarginLoss(reduction="none"), r"^loss: reduction 'none' leaves one number per sample"),
        (MeanSquaredError(), r"^loss: MeanSquaredError is a metric"),
        (nn.CrossEntropyLoss(ignore_index=0), r"^loss: ignore_index 0 is not supported"),
        (nn.CrossEntropyLoss(ignore_index=-1), r"^loss: ignore_index -1 is not supported"),
    ],
)
def test_a_loss_that_gives_no_scalar_or_leaves_samples_out_is_refused(loss, message):
    with pytest.raises(ValueError, match=message):
        Classifier(Linear((1, 8, 8), 10), 10, loss=loss)


def test_labels_become_probabilities_unless_all_regularizers_take_labels():
    labels = torch.tensor([2, 0])
    for regularizers in ([MixUp(0.2)], [DisturbLabel(10), MixUp(0.2)], [ConfidencePenalty(0.1)]):
        task = Classifier(Linear((1, 8, 8), 4), 4, regularizers=regularizers)
        assert torch.equal(task.soft_targets(labels), torch.tensor([[0.0, 0, 1, 0], [1, 0, 0, 0]]))

    class Own(DisturbLabel):
        def perturb(self, inputs, targets):
            assert targets.shape == (len(inputs), 4)
            return super().perturb(inputs, targets)

    class OwnName(DisturbLabel):
        pass

    assert Classifier(Linear((1, 8, 8), 4), 4, regularizers=[Own(10)]).soft_targets(labels).ndim == 2
    for regularizers in ([], [DisturbLabel(10)], [OwnName(10)]):
        assert Classifier(Linear((1, 8, 8), 4), 4, regularizers=regularizers).soft_targets(labels) is labels


@pytest.mark.parametrize(
    ("loss", "regularizers", "said"),
    [
        (nn.MSELoss(), [], r"loss: MSELoss does not take outputs \(7, 10\) with targets \(7,\)"),
        (
            nn.MultiMarginLoss(),
            [LabelSmoothing(0.1)],
            r"loss: MultiMarginLoss does not take outputs \(7, 10\) with targets \(7, 10\)",
        ),
    ],
)
def test_a_loss_that_does_not_fit_the_targets_is_refused_before_training(quiet_trainer, loss, regularizers, said):
    task = Classifier(Linear((1, 8, 8), 10), 10, loss=loss, regularizers=regularizers)
    with pytest.raises(TrainingError, match=said):
        quiet_trainer(max_epochs=1).fit(task, Digits())


@pytest.mark.parametrize("listed", [LabelSmoothing(0.1), Scheduled(LabelSmoothing(0.1), end_epoch=2)])
def test_labels_are_softened_by_the_loss_or_by_a_regularizer(listed):
    with pytest.raises(ValueError, match="the loss's label_smoothing and LabelSmoothing both soften labels"):
        Classifier(Linear((3,), 2), 2, loss=nn.CrossEntropyLoss(label_smoothing=0.1), regularizers=[listed])


class Some(Digits):
    """Digits of some classes, with the labels and the names that a user gives them."""

    def __init__(self, kept, class_names):
        super().__init__(batch_size=500)
        self.kept, self.class_names = kept, class_names

    def load(self):
        samples = super().load()
        chosen = torch.isin(samples.targets, torch.tensor(self.kept))
        return Samples(samples.inputs[chosen], samples.targets[chosen])


@pytest.mark.parametrize(
    ("data", "classes", "said"),
    [
        (Some(range(8), tuple("abcdefghij")), 10, "the training part holds 8 of 10 classes: no sample of i, j$"),
        (Digits(batch_size=500), 12, "holds 10 of 12 classes: no sample of number 10, number 11$"),
        (Digits(batch_size=500), 17, "no sample of number 10, .*, number 14 and 2 more$"),
    ],
)
def test_classes_without_training_samples_are_named(quiet_trainer, data, classes, said):
    with pytest.warns(UserWarning, match=said):
        quiet_trainer(max_epochs=1).fit(Classifier(Linear((1, 8, 8), classes), classes), data)


@pytest.mark.parametrize(
    ("data", "classes", "said"),
    [
        (Some([3], tuple("abcdefghij")), 10, "the training part holds one class alone, d: there is nothing to tell ap"),
        (Some([0], ("zero",)), 1, "the training part holds one class alone, zero"),
        (Digits(batch_size=500), 8, "num_classes: the task has 8 classes and the data 10"),
    ],
)
def test_one_class_or_more_classes_than_the_task_has_are_refused(quiet_trainer, data, classes, said):
    with pytest.raises(TrainingError, match=said):
        quiet_trainer(max_epochs=1, num_sanity_val_steps=0).fit(Classifier(Linear((1, 8, 8), classes), classes), data)


class TwoOfOne(Some):
    """Zeros and ones; the validation and test parts hold zeros alone."""

    def __init__(self):
        super().__init__([0, 1], ("no", "yes"))

    def setup(self, stage=None):
        super().setup(stage)
        self.targets = self.targets.clone()
        for part in (self.split.val, self.split.test):
            self.targets[part] = 0


@pytest.mark.parametrize("data", [BreastCancer(batch_size=100), Some([0, 1], ("no", "yes"))])
def test_of_two_classes_the_second_is_the_positive_one(quiet_trainer, data):
    L.seed_everything(0, verbose=False)
    task, trainer = Classifier(MLP(data.input_shape, 2, [8]), 2), quiet_trainer(max_epochs=1)
    trainer.fit(task, data)
    (metrics,) = trainer.test(task, data, verbose=False)
    probability = torch.cat(trainer.predict(task, data))[:, 1]
    positive = data.samples.targets[data.split.test] == 1
    assert metrics["test/auroc"] == pytest.approx(reference.roc_auc_score(positive, probability))
    expected = reference.average_precision_score(positive, probability)
    assert metrics["test/average_precision"] == pytest.approx(expected)
    assert {"val/auroc", "val/average_precision"} < set(trainer.callback_metrics) | set(task.metric_modes())


def test_what_is_undefined_for_one_class_is_left_out(quiet_trainer):
    task, trainer = Classifier(MLP((1, 8, 8), 2), 2), quiet_trainer(max_epochs=1)
    trainer.fit(task, TwoOfOne())
    measured = set(trainer.callback_metrics) | set(trainer.test(task, TwoOfOne(), verbose=False)[0])
    assert {"val/loss", "val/accuracy", "test/f1_macro"} < measured
    assert not {name for name in measured if name.endswith(("auroc", "average_precision"))}


@pytest.mark.parametrize("watching", ["early stopping", "schedule"])
def test_nothing_watches_what_is_undefined(quiet_trainer, watching):
    stopping = [L.pytorch.callbacks.EarlyStopping("val/auroc", mode="max")]
    schedule = functools.partial(torch.optim.lr_scheduler.ReduceLROnPlateau, mode="max")
    watched = {"lr_scheduler": schedule, "lr_scheduler_monitor": "val/auroc"} if watching == "schedule" else {}
    trainer = quiet_trainer(max_epochs=1, callbacks=[] if watched else stopping)
    with pytest.raises(TrainingError, match=r"^val/auroc is undefined for the samples of .*: monitor val/loss"):
        trainer.fit(Classifier(MLP((1, 8, 8), 2), 2, **watched), TwoOfOne())
