"""Some classes are made rare, and made to count as much as the others again."""

import lightning as L
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datamodules import Diabetes, Digits, ExponentialImbalance, SplitOptions, StepImbalance
from datamodules.samplers import balanced_order
from models import Classifier, TrainingError
from models.losses import BalancedCrossEntropy, ClassBalancedCrossEntropy, LogitAdjustedCrossEntropy
from models.networks import Linear


def counts(data):
    data.setup()
    return data.class_counts


def test_the_tail_of_classes_becomes_exponentially_rarer():
    full, thinned = counts(Digits()), counts(Digits(imbalance=ExponentialImbalance(20)))
    assert thinned == [max(round(n * 20 ** (-k / 9)), 1) for k, n in enumerate(full)]


def test_the_last_classes_become_rarer_by_a_step():
    full, thinned = counts(Digits()), counts(Digits(imbalance=StepImbalance(10, minority=0.3)))
    assert thinned == full[:7] + [round(n / 10) for n in full[7:]]


def test_validation_and_test_stay_and_the_manifest_says_so():
    data, clean = Digits(imbalance=StepImbalance(10)), Digits()
    data.setup()
    clean.setup()
    assert set(data.split.train) < set(clean.split.train)
    for part in ("val", "test"):
        assert data.manifest["parts"][part] == clean.manifest["parts"][part]
    assert data.manifest["imbalance"] == {"name": "StepImbalance", "factor": 10, "minority": 0.5}


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 2**31))
def test_a_balanced_order_shows_each_class_equally_often(labels, seed):
    labels = torch.tensor(labels)
    order = balanced_order(labels, torch.Generator().manual_seed(seed))
    assert len(order) == len(labels)
    shown = labels[order].bincount(minlength=5)[labels.bincount(minlength=5) > 0]
    assert shown.max() - shown.min() <= 1
    for label in labels.unique():
        times = order[labels[order] == label].bincount(minlength=len(labels))[labels == label]
        assert times.max() - times.min() <= 1, "no sample again before every other of its class"


def test_balanced_batches_are_another_draw_each_epoch_and_the_same_from_the_same_seed():
    def epoch(number):
        torch.manual_seed(0)
        data = Digits(imbalance=ExponentialImbalance(20), balanced_batches=True)
        loader = data.train_dataloader()
        loader.set_epoch(number)
        return torch.cat([inputs for inputs, _ in loader]), torch.cat([targets for _, targets in loader])

    first, targets = epoch(0)
    assert targets.bincount().max() - targets.bincount().min() <= 1
    assert torch.equal(first, epoch(0)[0])
    assert not torch.equal(first, epoch(1)[0])


def test_a_balanced_loss_weighs_classes_by_how_rare_they_are(quiet_trainer):
    L.seed_everything(0, verbose=False)
    data, task = Digits(imbalance=StepImbalance(10)), Classifier(Linear((1, 8, 8), 10), 10, loss=BalancedCrossEntropy())
    quiet_trainer(max_epochs=1).fit(task, data)
    seen = torch.tensor(data.class_counts)
    assert torch.allclose(task.loss.weight, seen.sum() / (10 * seen))
    assert "loss.weight" not in task.state_dict()
    logits, labels = torch.randn(8, 10), torch.arange(8)
    assert task.compute_loss(logits, labels) == torch.nn.functional.cross_entropy(logits, labels, task.loss.weight)


def test_a_balanced_loss_and_balanced_batches_help_rare_classes(quiet_trainer):
    def rare_accuracy(loss=None, **options):
        L.seed_everything(0, verbose=False)
        data = Digits(imbalance=StepImbalance(40), **options)
        task = Classifier(Linear((1, 8, 8), 10), 10, loss=loss)
        trainer = quiet_trainer(max_epochs=15)
        trainer.fit(task, data)
        trainer.test(task, data, verbose=False)
        return sum(trainer.callback_metrics[f"test/class_accuracy/{label}"].item() for label in range(5, 10)) / 5

    plain = rare_accuracy()
    for loss in (BalancedCrossEntropy(), ClassBalancedCrossEntropy(0.99), LogitAdjustedCrossEntropy()):
        assert rare_accuracy(loss) > plain + 0.1
    assert rare_accuracy(balanced_batches=True) > plain + 0.1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ExponentialImbalance(0.5), "ExponentialImbalance: factor 0.5 is less than 1"),
        (lambda: StepImbalance(2, minority=1), "StepImbalance: minority 1 is not in"),
        (lambda: Diabetes(imbalance=StepImbalance(2)).setup(), "imbalance needs one class per sample; Diabetes"),
        (
            lambda: Diabetes(balanced_batches=True).train_dataloader(),
            "balanced_batches needs one class",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_a_balanced_loss_without_counts_is_refused(quiet_trainer):
    data = Digits()
    batches = torch.utils.data.DataLoader(list(zip(torch.rand(8, 1, 8, 8), torch.arange(8), strict=True)), batch_size=4)
    task = Classifier(Linear(data.input_shape, 10), 10, loss=BalancedCrossEntropy())
    with pytest.raises(TrainingError, match="BalancedCrossEntropy needs a datamodule"):
        quiet_trainer(max_epochs=1).fit(task, batches)


def test_a_smaller_training_part_lies_inside_a_larger_one_when_thinned_too():
    parts = []
    for fraction in (1.0, 0.5):
        data = Digits(imbalance=ExponentialImbalance(10), split=SplitOptions(train_fraction=fraction))
        data.setup()
        parts.append(data.split.train)
    assert np.isin(parts[1], parts[0]).all()
