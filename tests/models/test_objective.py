"""The gradients that several devices average are those of the whole batch, whatever a loss divides by."""

import warnings

import pytest
import torch
from torch import nn

from models import Classifier, MultiLabelClassifier, Regressor
from models.losses import BalancedCrossEntropy, BinaryCrossEntropy, FocalLoss
from models.losses.directions import warn_of_coupled_samples
from models.losses.trial import Trial
from models.regularizers import L2, ConfidencePenalty, LabelSmoothing

INPUTS = torch.randn(24, 6, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(24) ** 2 % 5 % 3
WEIGHTS = torch.tensor([0.1, 1.0, 7.0])


def balanced():
    loss = BalancedCrossEntropy()
    loss.set_class_counts(torch.tensor([90, 9, 1]))
    return loss


class SquareRoot(FocalLoss):
    """A user's loss that divides by the square root of the labels' sum."""

    def forward(self, logits, targets):
        return super().forward(logits, targets) * len(targets) / self.divisor(targets)

    def divisor(self, targets):
        return targets.sum() + 1.0 * len(targets)


class Devices:
    """The part of a trainer that a training step asks: two devices, one after the other."""

    world_size, is_global_zero = 2, True

    def __init__(self):
        self.strategy, self.seen, self.total = self, [], None

    def reduce(self, values, reduce_op):
        assert reduce_op == "sum"
        self.seen.append(values.clone())
        return values if self.total is None else self.total.clone()


def gradients(task, *batch, trainer=None):
    task._trainer, task.training_record.recording = trainer, False
    task.zero_grad()
    task.training_step(batch, 0).backward()
    return [parameter.grad.clone() for parameter in task.network.parameters()]


def averaged(task, parts):
    trainer = Devices()
    for part in parts:
        gradients(task, *part, trainer=trainer)
    trainer.total = sum(trainer.seen)
    found = [gradients(task, *part, trainer=trainer) for part in parts]
    return [sum(pair) / len(parts) for pair in zip(*found, strict=True)]


def assert_same(task, *batch, cut):
    task = task.double()
    whole = gradients(task, *batch)
    parts = [tuple(values[part] for values in batch) for part in (slice(cut), slice(cut, None))]
    for found, expected in zip(averaged(task, parts), whole, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


LOSSES = [
    nn.CrossEntropyLoss(),
    nn.CrossEntropyLoss(WEIGHTS),
    nn.CrossEntropyLoss(WEIGHTS, label_smoothing=0.2),
    nn.CrossEntropyLoss(WEIGHTS, reduction="sum"),
    nn.NLLLoss(WEIGHTS),
    nn.MultiMarginLoss(),
    FocalLoss(),
    balanced(),
    SquareRoot(),
]


@pytest.mark.parametrize("cut", [12, 5])
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_of_labels(loss, cut):
    assert_same(Classifier(nn.Linear(6, 3), 3, loss=loss), INPUTS, LABELS, cut=cut)


@pytest.mark.parametrize("cut", [12, 5])
@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.CrossEntropyLoss(WEIGHTS), balanced()], ids=repr)
def test_of_probabilities_beside_penalties(loss, cut):
    chain = [LabelSmoothing(0.1), ConfidencePenalty(0.3), L2(0.2)]
    assert_same(Classifier(nn.Linear(6, 3), 3, loss=loss, regularizers=chain), INPUTS, LABELS, cut=cut)


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), balanced()], ids=repr)
def test_of_labelled_steps_that_are_more_on_one_device(loss):
    targets = LABELS.view(12, 2).clone()
    targets[:6, 1] = -100
    inputs = INPUTS.view(12, 2, 6)
    assert_same(
        Classifier(nn.Linear(6, 3), 3, loss=loss, regularizers=[ConfidencePenalty(0.3)]), inputs, targets, cut=6
    )


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.HuberLoss(reduction="sum")], ids=repr)
def test_of_values(loss):
    assert_same(Regressor(nn.Linear(6, 2), [1.0, 2.0], [3.0, 4.0], loss=loss), INPUTS, INPUTS[:, :2].double(), cut=7)


SAMPLE_WEIGHTS = torch.linspace(0, 3, 24).square()


@pytest.mark.parametrize("chain", [[], [LabelSmoothing(0.1), L2(0.2)]], ids=["labels", "probabilities"])
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_of_samples_with_weights(loss, chain):
    if chain and (
        isinstance(loss, nn.NLLLoss | nn.MultiMarginLoss | SquareRoot) or getattr(loss, "label_smoothing", 0)
    ):
        pytest.skip("takes labels alone, or softens them too")
    task = Classifier(nn.Linear(6, 3), 3, loss=loss, regularizers=chain)
    assert_same(task, INPUTS, LABELS, SAMPLE_WEIGHTS, cut=5)


def test_of_labelled_steps_and_values_and_yes_no_labels_with_weights():
    targets = LABELS.view(12, 2).clone()
    targets[:6, 1] = -100
    task = Classifier(nn.Linear(6, 3), 3, loss=balanced())
    assert_same(task, INPUTS.view(12, 2, 6), targets, SAMPLE_WEIGHTS[:12], cut=6)
    values = INPUTS.view(12, 2, 6)[..., :2].clone()
    values[:6, 1] = torch.nan
    task = Regressor(nn.Linear(6, 2), [1.0, 2.0], [3.0, 4.0])
    assert_same(task, INPUTS.view(12, 2, 6), values, SAMPLE_WEIGHTS[:12], cut=6)
    task = MultiLabelClassifier(nn.Linear(6, 2), 2, loss=BinaryCrossEntropy([5.0, 0.5]))
    assert_same(task, INPUTS, INPUTS[:, :2] > 0, SAMPLE_WEIGHTS, cut=7)


def test_on_one_device_nothing_is_multiplied(quiet_trainer):
    task = Classifier(nn.Linear(6, 3), 3, loss=balanced())
    alone = gradients(task, INPUTS, LABELS)
    for found, expected in zip(gradients(task, INPUTS, LABELS, trainer=quiet_trainer()), alone, strict=True):
        assert torch.equal(found, expected)


class BatchMax(nn.Module):
    """The loss of the hardest sample, which no device knows of the others."""

    def forward(self, logits, targets):
        return nn.functional.cross_entropy(logits, targets, reduction="none").max()


class Undeclared(nn.Module):
    """A loss that divides by class weights and does not say so."""

    def forward(self, logits, targets):
        return nn.functional.cross_entropy(logits, targets, WEIGHTS)


@pytest.mark.parametrize(
    ("loss", "warned"), [(loss, False) for loss in LOSSES] + [(BatchMax(), True), (Undeclared(), True)], ids=repr
)
def test_a_loss_that_devices_cannot_put_together_is_warned_of(loss, warned):
    task = Classifier(nn.Linear(6, 3), 3, loss=loss).float()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_coupled_samples(
            Trial(loss, task.compute_loss, task.fitting_losses), loss, task.soft_targets, torch.randn(5, 3)
        )
    assert bool(caught) == warned
    assert all("is not a mean over samples; each device" in str(warning.message) for warning in caught)
