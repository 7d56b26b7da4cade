"""A weight of 3 is the sample three times, and one of 0 no sample, for every loss and every way to train."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import SGD

from models import SAM, Classifier, MultiLabelClassifier, Regressor
from models.networks import MLP
from models.objective import loss_divisor
from models.regularizers import LabelSmoothing, MixUp
from tests.models.losses.test_weighted import CLASSES, LABELS, VALUES, counted
from tests.models.regularizers.test_every_regularizer import CLASSIFICATION, REGRESSION

COUNTS = st.lists(st.integers(0, 4), min_size=6, max_size=6).filter(any)
KINDS = [*(("classes", name) for name in CLASSES), *(("values", name) for name in VALUES)]
KINDS += [*(("labels", name) for name in LABELS), *(("probabilities", name) for name in CLASSES)]
KINDS = [pair for pair in KINDS if pair not in [("probabilities", "torch margin"), ("probabilities", "torch smoothed")]]


def made(kind, loss):
    torch.manual_seed(0)
    if kind == "values":
        return Regressor(MLP((3,), 2, [4]), [0.0, 1.0], [1.0, 2.0], loss=loss), torch.randn(6, 2)
    if kind == "labels":
        return MultiLabelClassifier(MLP((3,), 3, [4]), 3, loss=loss), torch.rand(6, 3) < 0.5
    chain = [LabelSmoothing(0.1)] if kind == "probabilities" else []
    return Classifier(MLP((3,), 10, [4]), 10, loss=loss, regularizers=chain), torch.randint(10, (6,))


def repeated(counts, inputs, targets):
    """Return the batch with weights of mean 1, and the one in which samples are repeated."""
    counts = torch.tensor(counts)
    together = inputs.repeat_interleave(counts, 0), targets.repeat_interleave(counts, 0)
    return (inputs, targets, counts / counts.double().mean()), together


def gradients(task, batch):
    task.zero_grad()
    task.training_record.clear()
    task.training_step(batch, 0).backward()
    return torch.cat([parameter.grad.flatten() for parameter in task.network.parameters()])


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_for_every_loss(kind, name):
    loss = {"values": VALUES, "labels": LABELS}.get(kind, CLASSES)[name]()
    task, targets = made(kind, counted(loss))
    task, inputs = task.double(), torch.randn(6, 3, dtype=torch.float64)

    @settings(max_examples=10)
    @given(COUNTS)
    def check(counts):
        weighted, together = repeated(counts, inputs, targets)
        # Class weights act by the share of the batch, which weights of samples do not change: totals are the same.
        several = [
            task.regularizers.perturb(batch[0], task.soft_targets(batch[1]))[1] for batch in (weighted, together)
        ]
        divisors = [loss_divisor(loss, soft) * len(together[1]) / len(soft) for soft in several]
        if getattr(loss, "reduction", "mean") == "sum":
            divisors = [len(together[1]) / 6, 1]
        found, expected = (
            gradients(task, batch) * by for batch, by in zip((weighted, together), divisors, strict=True)
        )
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)

    check()


@settings(max_examples=20)
@given(COUNTS, st.sampled_from([SAM, lambda optimizer: optimizer]))
def test_for_every_optimizer(counts, wrapper):
    task, targets = made("classes", None)
    trained = []
    for batch in repeated(counts, torch.randn(6, 3, dtype=torch.float64), targets):
        one = copy.deepcopy(task).double()
        optimizer = wrapper(SGD(one.network.parameters(), lr=0.1))
        for _ in range(2):
            optimizer.step(lambda one=one, batch=batch: gradients(one, batch).sum())
        trained.append(torch.cat([parameter.detach().flatten() for parameter in one.network.parameters()]))
    torch.testing.assert_close(*trained)


@pytest.mark.parametrize("kind", ["classes", "values", "labels"])
def test_gradients_of_parts_add_up_to_those_of_the_batch(kind):
    task, targets = made(kind, None)
    task = task.double()
    batch = torch.randn(6, 3, dtype=torch.float64), targets, torch.tensor([0.0, 3.0, 1.0, 0.5, 0.5, 1.0])
    parts = [gradients(task, tuple(values[part] for values in batch)) for part in (slice(3), slice(3, None))]
    torch.testing.assert_close(sum(parts) / 2, gradients(task, batch))


BOTH = [("classes", name, CLASSIFICATION[name]) for name in CLASSIFICATION]
BOTH += [("values", name, REGRESSION[name]) for name in REGRESSION]


@pytest.mark.parametrize(("kind", "name", "make"), BOTH, ids=lambda value: value if isinstance(value, str) else "")
def test_the_objective_is_linear_in_the_weights_whatever_regularizes(kind, name, make):
    """So a regularizer gives the loss of each sample, or mixed one, its weight, and penalties have none."""
    torch.manual_seed(0)
    if kind == "classes":
        task = Classifier(MLP((1, 8, 8), 10, [8], norm="layer", dropout=0.3), 10, regularizers=[make()])
        inputs, targets = torch.rand(8, 1, 8, 8), torch.randint(10, (8,))
    else:
        task = Regressor(MLP((3,), 1, [8]), [0.0], [1.0], regularizers=[make()])
        inputs, targets = torch.rand(8, 3), torch.randn(8, 1)
    first, second = 3 * torch.rand(2, 8)

    def objective(weights):
        torch.manual_seed(1)
        task.training_record.clear()
        return task.training_step((inputs, targets, weights), 0)

    nothing = objective(torch.zeros(8))
    together = objective(first + second) + nothing
    torch.testing.assert_close(together, objective(first) + objective(second), rtol=1e-4, atol=1e-4)


def test_mixed_samples_without_weight_have_none():
    task = Classifier(MLP((3,), 10, [4]), 10, regularizers=[MixUp(1.0)])
    batch = torch.randn(6, 3), torch.randint(10, (6,)), torch.zeros(6)
    assert gradients(task, batch).abs().max() == 0
