"""Losses compute what their papers say, of labels and of mixtures, and stay finite whatever the logits."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from models import Classifier, Regressor
from models.losses import (
    ClassBalancedCrossEntropy,
    FocalLoss,
    GeneralizedCrossEntropy,
    LogitAdjustedCrossEntropy,
    PolyLoss,
    ProbabilityMAE,
    SymmetricCrossEntropy,
)
from models.networks import MLP
from models.regularizers import LabelSmoothing

COUNTS = torch.tensor([100, 1, 10, 5])


def told(loss):
    loss.set_class_counts(COUNTS)
    return loss


# What a label with probability p costs, as the papers write it.
OF_THE_LABEL = [
    (FocalLoss(2.0), lambda p: -((1 - p) ** 2) * p.log()),
    (FocalLoss(0.5), lambda p: -((1 - p) ** 0.5) * p.log()),
    (PolyLoss(-0.5), lambda p: -p.log() - 0.5 * (1 - p)),
    (GeneralizedCrossEntropy(0.7), lambda p: (1 - p**0.7) / 0.7),
    (SymmetricCrossEntropy(0.1, 1.0, -4.0), lambda p: -0.1 * p.log() + 4 * (1 - p)),
    (ProbabilityMAE(), lambda p: 2 * (1 - p)),
]
LOSSES = [loss for loss, _ in OF_THE_LABEL] + [told(ClassBalancedCrossEntropy(0.9)), told(LogitAdjustedCrossEntropy())]
IS_CROSS_ENTROPY = [
    FocalLoss(0),
    PolyLoss(0),
    SymmetricCrossEntropy(1, 0),
    told(ClassBalancedCrossEntropy(0)),
    told(LogitAdjustedCrossEntropy(0)),
]


def name(value):
    return repr(value) if isinstance(value, nn.Module) else ""


def batch(samples=32, scale=3.0):
    generator = torch.Generator().manual_seed(0)
    logits = scale * torch.randn(samples, 4, generator=generator)
    return logits, torch.randint(4, (samples,), generator=generator)


@pytest.mark.parametrize(("loss", "reference"), OF_THE_LABEL, ids=name)
def test_a_label_costs_what_the_paper_says(loss, reference):
    logits, labels = batch()
    p = logits.double().softmax(-1)[range(32), labels]
    assert loss(logits, labels).item() == pytest.approx(reference(p).mean().item(), rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES, ids=name)
def test_one_hot_probabilities_are_labels(loss):
    logits, labels = batch()
    torch.testing.assert_close(loss(logits, F.one_hot(labels, 4).float()), loss(logits, labels), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if not isinstance(loss, SymmetricCrossEntropy)], ids=name)
def test_a_mixture_costs_the_expectation_over_its_labels(loss):
    logits, _ = batch()
    mixtures = torch.rand(32, 4).softmax(-1)
    of_each = torch.stack([loss(row[None], label[None]) for row in logits for label in torch.arange(4)]).view(32, 4)
    torch.testing.assert_close(loss(logits, mixtures), (mixtures * of_each).sum(-1).mean())


def test_the_symmetric_loss_of_a_mixture_is_the_papers_sum():
    logits, _ = batch()
    mixtures, p = torch.tensor([0.7, 0.3, 0.0, 0.0]).repeat(32, 1), logits.double().softmax(-1)
    reverse = -p[:, 0] * math.log(0.7) - p[:, 1] * math.log(0.3) + 4 * (p[:, 2] + p[:, 3])
    expected = 0.1 * F.cross_entropy(logits.double(), mixtures.double()) + reverse.mean()
    assert SymmetricCrossEntropy()(logits, mixtures).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("loss", IS_CROSS_ENTROPY, ids=name)
def test_at_their_neutral_setting_they_are_cross_entropy(loss):
    logits, labels = batch()
    torch.testing.assert_close(loss(logits, labels), F.cross_entropy(logits, labels), rtol=1e-6, atol=1e-6)


def test_generalized_cross_entropy_lies_between_cross_entropy_and_the_absolute_error():
    logits, labels = batch()
    nearly = GeneralizedCrossEntropy(1e-5)(logits, labels)
    torch.testing.assert_close(nearly, F.cross_entropy(logits, labels), rtol=1e-4, atol=0)
    torch.testing.assert_close(2 * GeneralizedCrossEntropy(1)(logits, labels), ProbabilityMAE()(logits, labels))


@given(st.lists(st.floats(-20, 20, width=32), min_size=4, max_size=4))
def test_over_all_labels_the_absolute_error_sums_to_the_same(row):
    every = ProbabilityMAE()(torch.tensor(row).repeat(4, 1), torch.arange(4))
    assert 4 * every.item() == pytest.approx(2 * (4 - 1), rel=1e-5)


def test_class_balanced_weights_are_inverse_effective_numbers_with_mean_one():
    loss, weights = told(ClassBalancedCrossEntropy(0.9)), (1 - 0.9) / (1 - 0.9 ** COUNTS.double())
    torch.testing.assert_close(loss.weight, (weights / weights.mean()).float())
    logits, labels = batch()
    expected = F.cross_entropy(logits, labels, loss.weight, reduction="none").mean()
    torch.testing.assert_close(loss(logits, labels), expected)


def test_a_class_without_samples_has_no_weight():
    loss = ClassBalancedCrossEntropy(0.9)
    loss.set_class_counts(torch.tensor([5, 0, 5]))
    assert loss.weight.tolist() == [1, 0, 1]


def test_logit_adjustment_adds_the_log_of_the_class_shares():
    logits, labels = batch()
    expected = F.cross_entropy(logits + 2 * (COUNTS / 116).log(), labels)
    torch.testing.assert_close(told(LogitAdjustedCrossEntropy(2))(logits, labels), expected)


def test_logit_adjustment_stays_finite_where_a_class_has_no_samples():
    loss = LogitAdjustedCrossEntropy()
    loss.set_class_counts(torch.tensor([5, 0, 5, 5]))
    assert loss(torch.zeros(1, 4), torch.full((1, 4), 0.25)).isfinite()


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("samples", [1, 7])
@pytest.mark.parametrize("loss", LOSSES, ids=name)
def test_gradients_are_finite_under_extreme_logits(loss, samples, kind):
    _, labels = batch(samples)
    for sure in (labels, (labels + 1) % 4):  # right, or wrong, beyond all doubt
        for targets in (labels, LabelSmoothing(0.1).perturb(labels, F.one_hot(labels, 4).float())[1]):
            logits = (2e4 * F.one_hot(sure, 4) - 1e4).to(kind).requires_grad_()
            cost = loss(logits, targets)
            cost.backward()
            assert cost.dtype == torch.float32
            assert cost.isfinite()
            assert logits.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES, ids=name)
def test_gradients_are_those_of_finite_differences(loss):
    _, labels = batch(3)
    logits = batch(3, scale=1.0)[0].double().requires_grad_()
    for targets in (labels, torch.rand(3, 4).double().softmax(-1)):
        assert torch.autograd.gradcheck(lambda x, targets=targets: loss(x, targets), logits)


@pytest.mark.parametrize("loss", LOSSES, ids=name)
def test_targets_are_left_as_they_are_and_no_random_number_is_drawn(loss):
    logits, labels = batch()
    soft, state = F.one_hot(labels, 4).float(), torch.get_rng_state()
    loss(logits, soft)
    assert torch.equal(soft, F.one_hot(labels, 4).float())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("loss", [FocalLoss(), GeneralizedCrossEntropy(), SymmetricCrossEntropy(), ProbabilityMAE()])
def test_probabilities_of_another_shape_are_refused(loss):
    with pytest.raises(ValueError, match=r"class probabilities \(8, 1\) do not fit logits \(8, 4\)"):
        loss(torch.zeros(8, 4), torch.zeros(8, 1))


@pytest.mark.parametrize("kind", [ClassBalancedCrossEntropy, LogitAdjustedCrossEntropy])
def test_a_loss_that_was_not_told_the_counts_says_so(kind):
    with pytest.raises(ValueError, match=f"{kind.__name__}: call set_class_counts"):
        kind()(torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64))


@pytest.mark.parametrize("kind", [*dict.fromkeys(type(loss) for loss in LOSSES)])
def test_a_perceptron_learns_digits_with_it_and_with_smoothed_labels(kind, fit):
    task = Classifier(
        MLP((1, 8, 8), 10, [64], norm="batch"),
        10,
        loss=kind(),
        regularizers=[LabelSmoothing(0.1)],
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=0.02),
    )
    assert fit(task, max_epochs=5).callback_metrics["val/accuracy"] > 0.8
    assert not [key for key in task.state_dict() if key.startswith("loss")]


def test_regression_refuses_them():
    with pytest.raises(ValueError, match="loss: FocalLoss compares classes"):
        Regressor(MLP((4,), 1), [0.0], [1.0], loss=FocalLoss())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: FocalLoss(-1), "FocalLoss: gamma -1"),
        (lambda: FocalLoss(float("nan")), "FocalLoss: gamma nan"),
        (lambda: PolyLoss(-1.5), "PolyLoss: epsilon -1.5"),
        (lambda: GeneralizedCrossEntropy(0), "GeneralizedCrossEntropy: q 0"),
        (lambda: GeneralizedCrossEntropy(1.1), "GeneralizedCrossEntropy: q 1.1"),
        (lambda: SymmetricCrossEntropy(0, 0), "SymmetricCrossEntropy: alpha and beta are both 0"),
        (lambda: SymmetricCrossEntropy(-1, 1), "SymmetricCrossEntropy: alpha -1"),
        (lambda: SymmetricCrossEntropy(log_zero=0), "SymmetricCrossEntropy: log_zero 0"),
        (lambda: ClassBalancedCrossEntropy(1), "ClassBalancedCrossEntropy: beta 1"),
        (lambda: LogitAdjustedCrossEntropy(-0.1), "LogitAdjustedCrossEntropy: tau -0.1"),
    ],
)
def test_what_is_out_of_range_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()
