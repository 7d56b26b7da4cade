"""Several yes/no labels per digit are learnt, measured as scikit-learn does, and decided at validated thresholds."""

import functools

import lightning as L
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference
from torch import nn
from torch.optim import AdamW
from torch.utils.data import DataLoader, TensorDataset

from callbacks import EMA, GeneralizationGap
from datamodules import Diabetes, Digits
from models import Classifier, MultiLabelClassifier, Regressor, TrainingError
from models.losses import BinaryCrossEntropy, FocalLoss
from models.networks import MLP, Linear
from models.regularizers import LabelSmoothing, MixUp
from models.thresholds import best_thresholds
from tests.digit_labels import LABELS, DigitLabels, OneLabel, WeightedDigitLabels


def task_with(labels=3, **options):
    torch.manual_seed(0)
    return MultiLabelClassifier(MLP((1, 8, 8), labels, [64]), labels, **options)


@pytest.fixture
def trained(quiet_trainer):
    """Train for some epochs; return the task, its data and the trainer."""

    def train(data=None, epochs=4, trainer=None, **options):
        L.seed_everything(0, verbose=False)
        data = DigitLabels(batch_size=128) if data is None else data
        task = task_with(data.num_outputs, optimizer=functools.partial(AdamW, lr=0.01), **options)
        trainer = quiet_trainer(max_epochs=epochs, **(trainer or {}))
        trainer.fit(task, data)
        return task, data, trainer

    return train


@pytest.mark.parametrize("regularizers", [[], [LabelSmoothing(0.1)], [MixUp(0.2)]], ids=repr)
def test_labels_of_digits_are_learnt_in_a_few_epochs(trained, regularizers):
    _, _, trainer = trained(regularizers=regularizers)
    measured = trainer.callback_metrics
    assert measured["val/f1_macro"] > 0.93
    assert measured["val/exact_match"] > 0.85
    assert measured["train/auroc"] > (0.7 if regularizers and regularizers[0].mixes_samples else 0.9)


def test_binary_classification_is_one_label(trained, quiet_trainer):
    task, data, _ = trained(OneLabel(batch_size=128))
    (measured,) = quiet_trainer().test(task, data, verbose=False)
    assert measured["test/f1_macro"] > 0.9
    assert "test/exact_match" not in measured, "it is the accuracy"


def test_the_metrics_are_scikit_learns_on_the_predictions(trained, quiet_trainer):
    task, data, trainer = trained(epochs=1)
    (measured,) = trainer.test(task, data, verbose=False)
    probabilities = torch.cat(trainer.predict(task, data))
    targets = data.samples.targets[data.split.test]
    decisions = probabilities >= task.thresholds.values
    expected = {
        "loss": reference.log_loss(targets.flatten(), probabilities.flatten().double()),
        "auroc": reference.roc_auc_score(targets, probabilities),
        "average_precision": reference.average_precision_score(targets, probabilities),
        "f1_macro": reference.f1_score(targets, decisions, average="macro"),
        "accuracy": 1 - reference.hamming_loss(targets, decisions),
        "exact_match": reference.accuracy_score(targets, decisions),
        "brier_score": reference.brier_score_loss(targets.flatten(), probabilities.flatten().double()),
    }
    for number, label in enumerate(LABELS):
        pair = targets[:, number], probabilities[:, number]
        expected[f"label_auroc/{label}"] = reference.roc_auc_score(*pair)
        expected[f"label_average_precision/{label}"] = reference.average_precision_score(*pair)
        expected[f"label_f1/{label}"] = reference.f1_score(pair[0], decisions[:, number])
    measured = {name: value for name, value in measured.items() if not name.endswith("calibration_error")}
    assert measured == pytest.approx({f"test/{name}": value for name, value in expected.items()}, rel=1e-5)


@pytest.mark.parametrize("stage", ["validate", "test"])
def test_metrics_do_not_depend_on_the_evaluation_batch_size_or_on_what_was_trained_with(quiet_trainer, stage):
    measured = []
    for size, options in ((17, {}), (512, {"loss": nn.MultiLabelSoftMarginLoss(), "regularizers": [MixUp(1.0)]})):
        task = task_with(**options)
        measured += getattr(quiet_trainer(), stage)(task, DigitLabels(eval_batch_size=size), verbose=False)
    assert len(measured[0]) >= 6
    assert measured[0] == pytest.approx(measured[1], rel=1e-6)


def test_thresholds_maximise_f1_on_validation_and_stay_at_test(trained, quiet_trainer):
    task, data, _ = trained(epochs=1)
    chosen, part = task.thresholds.values.clone(), data.split.val
    logits, targets = task.evaluate((data.samples.inputs[part] / 16, data.samples.targets[part]))
    probabilities = logits.sigmoid()
    for label, threshold in enumerate(chosen):
        scores = [
            reference.f1_score(targets[:, label], probabilities[:, label] >= candidate)
            for candidate in (threshold, *probabilities[:, label])
        ]
        assert scores[0] == max(scores)
    assert (chosen != 0.5).any()
    quiet_trainer().test(task, data, verbose=False)
    assert torch.equal(task.thresholds.values, chosen), "never chosen on the test part"


def test_thresholds_are_in_the_checkpoint_and_come_back(trained, quiet_trainer, tmp_path):
    task, data, trainer = trained(epochs=2)
    trainer.save_checkpoint(tmp_path / "task.ckpt")
    again = MultiLabelClassifier.load_from_checkpoint(tmp_path / "task.ckpt", weights_only=True)
    assert torch.equal(again.thresholds.values, task.thresholds.values)
    names = torch.load(tmp_path / "task.ckpt", weights_only=True)["state_dict"]
    assert [name for name in names if "threshold" in name] == ["thresholds.values"]
    (first,), (second,) = (quiet_trainer().test(some, data, verbose=False) for some in (task, again))
    assert first == second


def test_the_check_before_training_chooses_no_thresholds(quiet_trainer):
    task = task_with()
    quiet_trainer(max_steps=1, num_sanity_val_steps=2, limit_val_batches=2).fit(task, DigitLabels(batch_size=1000))
    assert (task.thresholds.values == 0.5).all()


def test_thresholds_keep_their_digits_in_half_precision(trained):
    task, _, trainer = trained(epochs=1, trainer={"precision": "bf16-true"})
    assert task.thresholds.values.dtype == torch.float32
    assert trainer.callback_metrics["val/loss"].isfinite()


def test_predictions_are_a_probability_and_a_decision_per_label():
    task = task_with(2)
    task.thresholds.values.copy_(torch.tensor([0.2, 0.9]))
    columns = task.prediction_columns(torch.tensor([[0.25, 0.8]]), torch.tensor([[True, False]]), ("a", "b"))
    assert columns == {
        "target_a": ["1"],
        "prediction_a": ["1"],
        "probability_a": ["0.25"],
        "target_b": ["0"],
        "prediction_b": ["0"],
        "probability_b": ["0.8"],
    }


def test_a_balanced_loss_raises_the_probability_of_a_rare_label(trained):
    means = []
    for loss in (None, BinaryCrossEntropy([1.0, 1.0, 1.0]), BinaryCrossEntropy(), BinaryCrossEntropy([9.0, 1.0, 1.0])):
        task, data, trainer = trained(epochs=1, loss=loss)
        means.append(torch.cat(trainer.predict(task, data)).mean(0))
    assert torch.equal(means[0], means[1])
    positive, samples = torch.tensor(data.class_counts), len(data.split.train)
    balanced, *_ = trained(epochs=1, loss=BinaryCrossEntropy())
    torch.testing.assert_close(balanced.loss.pos_weight, (samples - positive) / positive)
    assert means[2][2] > means[0][2] + 0.01, "prime is rarer than not"
    assert means[3][0] > means[0][0] + 0.2


def test_a_gap_and_averaged_weights_go(trained):
    callbacks = [GeneralizationGap(), EMA(0.9)]
    _, _, trainer = trained(WeightedDigitLabels(batch_size=128), 2, {"callbacks": callbacks})
    assert trainer.callback_metrics["gap/auroc"].isfinite()


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.NLLLoss(), nn.BCELoss(), FocalLoss()], ids=repr)
def test_a_loss_that_is_not_one_of_independent_logits_is_refused(loss):
    with pytest.raises(ValueError, match=f"loss: {type(loss).__name__} is not a loss of the logits of independent"):
        task_with(loss=loss)


@pytest.mark.parametrize(
    ("make", "data", "said"),
    [
        (lambda: Classifier(Linear((1, 8, 8), 3), 3), DigitLabels, "Classifier is for classes; the data has several"),
        (
            lambda: Regressor(Linear((1, 8, 8), 3), [0.0] * 3, [1.0] * 3),
            DigitLabels,
            "Regressor is for continuous targets; the data has several labels per sample: use models.MultiLabelClass",
        ),
        (
            lambda: task_with(10),
            Digits,
            "MultiLabelClassifier is for several yes/no labels per sample; the data has",
        ),
        (lambda: task_with(1), Diabetes, "the data has continuous targets: use models.Regressor"),
    ],
)
@pytest.mark.parametrize("stage", ["fit", "validate", "test", "predict"])
def test_data_for_another_task_is_refused(quiet_trainer, make, data, said, stage):
    with pytest.raises(TrainingError, match=said):
        getattr(quiet_trainer(max_epochs=1), stage)(make(), data())


def test_data_for_another_task_is_refused_without_a_datamodule(quiet_trainer):
    batches = DataLoader(TensorDataset(torch.rand(8, 1, 8, 8), torch.zeros(8, 3)), batch_size=4)
    with pytest.raises(TrainingError, match="MultiLabelClassifier is for several yes/no labels"):
        quiet_trainer(max_epochs=1).fit(task_with(), batches)


def test_no_labels_are_refused_before_anything_is_made():
    for data in (Digits(), Diabetes()):
        with pytest.raises(ValueError, match="the data has no yes/no labels: use models"):
            MultiLabelClassifier(Linear((3,), 1), data.num_labels)


def test_a_network_with_another_number_of_logits_is_refused(quiet_trainer):
    task = MultiLabelClassifier(MLP((1, 8, 8), 4, [8]), 3)
    with pytest.raises(TrainingError, match="the network gives 4 logits; the data has 3 labels per sample"):
        quiet_trainer(max_epochs=1).fit(task, DigitLabels())


def test_every_metric_says_which_way_is_better():
    assert set(task_with().metric_modes().values()) == {"min", "max"}
    assert all(metric.higher_is_better is not None for metric in task_with().test_metrics.values())


def test_outputs_that_are_no_numbers_stop_the_run_in_one_line(quiet_trainer):
    task = task_with()
    torch.nn.init.constant_(task.network.head.weight, torch.nan)
    with pytest.raises(TrainingError, match="val/loss is nan"):
        quiet_trainer(max_epochs=1).fit(task, DigitLabels())


def test_a_label_without_positives_is_no_part_of_the_mean(quiet_trainer):
    class NoneOfOne(DigitLabels):
        def setup(self, stage=None):
            super().setup(stage)
            self.targets = self.targets.clone()
            self.targets[self.split.test, 1] = False

    task = task_with()
    task.thresholds.values.fill_(0.4)
    data = NoneOfOne()
    (measured,) = quiet_trainer().test(task, data, verbose=False)
    for name in ("auroc", "average_precision", "f1"):
        assert f"test/label_{name}/{LABELS[1]}" not in measured
        each = [measured[f"test/label_{name}/{label}"] for label in (LABELS[0], LABELS[2])]
        mean = measured["test/f1_macro" if name == "f1" else f"test/{name}"]
        assert mean == pytest.approx(sum(each) / 2)


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 12), seed=st.integers(0, 10_000), levels=st.integers(1, 6))
def test_no_threshold_has_a_better_f1_than_the_one_chosen(count, seed, levels):
    random = torch.Generator().manual_seed(seed)
    scores = torch.randint(levels, (count, 1), generator=random) / levels  # with ties, and with 0
    positive = torch.rand(count, 1, generator=random) < 0.4
    chosen = best_thresholds(scores, positive)
    if not positive.any():
        assert chosen == 0.5
        return

    def f1(threshold):
        return reference.f1_score(positive, scores >= threshold, zero_division=0)

    assert f1(chosen) == max(f1(candidate) for candidate in (0.0, *scores.flatten().tolist(), 2.0))
    assert 0 <= chosen <= 1
