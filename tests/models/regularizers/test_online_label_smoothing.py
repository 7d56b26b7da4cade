"""Online label smoothing: soft labels are the mean right prediction of the epoch before."""

import lightning as L
import pytest
import torch
import torch.nn.functional as F

from datamodules import Digits
from models import Classifier
from models.networks import MLP, Linear
from models.regularizers import LabelSmoothing, OnlineLabelSmoothing


def begun(classes=3, soft_weight=0.5):
    regularizer = OnlineLabelSmoothing(soft_weight)
    Classifier(Linear((4,), classes), classes, regularizers=[regularizer])
    return regularizer


def test_soft_labels_are_the_mean_right_prediction_of_the_epoch_before():
    torch.manual_seed(0)
    regularizer, seen = begun(), []
    for _ in range(3):
        logits, labels = torch.randn(16, 3), torch.randint(2, (16,))  # no sample of class 2
        targets = F.one_hot(labels, 3).float()
        uniform = 0.5 * targets + 0.5 / 3
        torch.testing.assert_close(regularizer.revise(logits, targets), uniform)
        seen += list(zip(logits, labels.tolist(), strict=True))
    regularizer.start_epoch(1)
    revised = regularizer.revise(torch.zeros(3, 3), torch.eye(3))
    for label in range(2):
        right = [row.softmax(0) for row, its in seen if its == label and row.argmax() == label]
        expected = 0.5 * torch.eye(3)[label] + 0.5 * torch.stack(right).mean(0)
        torch.testing.assert_close(revised[label], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(revised[2], 0.5 * torch.eye(3)[2] + 0.5 / 3)


def test_the_same_epoch_again_changes_nothing_and_an_epoch_without_samples_keeps_the_soft_labels():
    regularizer = begun()
    regularizer.revise(torch.eye(3) * 2, torch.eye(3))
    regularizer.start_epoch(1)
    kept = regularizer.soft_labels()
    assert not torch.equal(kept, torch.full((3, 3), 1 / 3))
    regularizer.revise(torch.eye(3) * 5, torch.eye(3))
    regularizer.start_epoch(1)
    assert torch.equal(regularizer.soft_labels(), kept)
    regularizer.start_epoch(2)
    assert not torch.equal(regularizer.soft_labels(), kept)
    kept = regularizer.soft_labels()
    regularizer.start_epoch(3)
    assert torch.equal(regularizer.soft_labels(), kept)
    regularizer.start_epoch(0)  # of another run
    assert torch.equal(regularizer.soft_labels(), torch.full((3, 3), 1 / 3))


def test_mixed_precision_does_not_round_what_is_summed():
    exact, mixed = begun(), begun()
    logits, targets = torch.randn(200, 3), torch.eye(3)[torch.randint(3, (200,))]
    exact.revise(logits, targets)
    with torch.autocast("cpu", torch.bfloat16):
        mixed.revise(logits, targets)
    assert torch.equal(exact.sums, mixed.sums)
    assert torch.equal(exact.counts, mixed.counts)


def test_wrong_arguments_and_company_are_refused():
    with pytest.raises(ValueError, match=r"OnlineLabelSmoothing: soft_weight 1\.5"):
        OnlineLabelSmoothing(1.5)
    with pytest.raises(ValueError, match="LabelSmoothing and OnlineLabelSmoothing both soften labels"):
        Classifier(MLP((3,), 2), 2, regularizers=[LabelSmoothing(), OnlineLabelSmoothing()])


@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "bf16-mixed"])
def test_it_counts_exactly_whatever_the_precision(precision):
    task = Classifier(MLP((1, 8, 8), 10, [32]), 10, regularizers=[OnlineLabelSmoothing()])
    L.Trainer(
        max_epochs=2, precision=precision, logger=False, enable_checkpointing=False, enable_progress_bar=False
    ).fit(task, Digits(batch_size=64))
    (regularizer,) = task.regularizers
    assert regularizer.counts.dtype == regularizer.sums.dtype == torch.int64  # which no precision rounds
    assert regularizer.counts.sum() > 256
    labels, seen = regularizer.soft_labels(), regularizer.counts_before > 0
    torch.testing.assert_close(labels.sum(1), torch.ones(10), atol=1e-3, rtol=0)
    assert seen.sum() > 5
    assert (labels.argmax(1) == torch.arange(10))[seen].all()
