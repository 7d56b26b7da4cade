"""Bootstrapped labels give the paper's losses."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models import Classifier
from models.losses import FocalLoss, GeneralizedCrossEntropy, PolyLoss, SymmetricCrossEntropy
from models.networks import Linear
from models.regularizers import BootstrapLabels, LabelSmoothing
from models.regularizers.bootstrap import bootstrap_labels

quick = settings(max_examples=40, deadline=None)


@quick
@given(seed=st.integers(0, 2**32 - 1), beta=st.floats(0, 1))
def test_cross_entropy_of_bootstrapped_labels_is_the_papers(seed, beta):
    generator = torch.Generator().manual_seed(seed)
    logits, labels = torch.randn(8, 5, generator=generator), torch.randint(5, (8,), generator=generator)
    targets, log_q = F.one_hot(labels, 5).float(), logits.log_softmax(-1)
    soft = -((beta * targets + (1 - beta) * log_q.exp()) * log_q).sum(1).mean()
    torch.testing.assert_close(F.cross_entropy(logits, bootstrap_labels(targets, logits, 1 - beta, "soft")), soft)
    z = F.one_hot(logits.argmax(1), 5)
    hard = -((beta * targets + (1 - beta) * z) * log_q).sum(1).mean()
    torch.testing.assert_close(F.cross_entropy(logits, bootstrap_labels(targets, logits, 1 - beta, "hard")), hard)


@pytest.mark.parametrize(("kind", "weight"), [("soft", 0.05), ("hard", 0.2)])
def test_the_papers_weights_are_the_default(kind, weight):
    assert BootstrapLabels(kind=kind).prediction_weight == weight
    logits = torch.randn(4, 3)
    revised = BootstrapLabels(kind=kind).revise(logits, torch.eye(4, 3))
    torch.testing.assert_close(revised, bootstrap_labels(torch.eye(4, 3), logits, weight, kind))


WEIGHTS = torch.tensor([1.0, 1.0, 1.0, 10.0])


@pytest.mark.parametrize(
    ("loss", "weights"),
    [(None, torch.ones(4)), (PolyLoss(0.0), torch.ones(4)), (nn.CrossEntropyLoss(WEIGHTS), WEIGHTS)],
    ids=["default", "poly", "weighted"],
)
@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_the_network_learns_from_the_papers_gradient(kind, loss, weights):
    torch.manual_seed(0)
    task = Classifier(Linear((6,), 4), 4, loss=loss, regularizers=[BootstrapLabels(0.3, kind)])
    inputs, labels = torch.randn(16, 6), torch.randint(4, (16,))
    (found,) = torch.autograd.grad(task.training_step((inputs, labels), 0), task.network.head.weight)
    log_q = task.network(inputs).log_softmax(1)
    own = log_q.exp() if kind == "soft" else F.one_hot(log_q.argmax(1), 4)
    weighted = (0.7 * F.one_hot(labels, 4) + 0.3 * own) * weights
    paper = -(weighted * log_q).sum() / weighted.detach().sum()
    (expected,) = torch.autograd.grad(paper, task.network.head.weight)
    torch.testing.assert_close(found, expected)
    (plain,) = torch.autograd.grad(F.cross_entropy(task.network(inputs), labels, weights), task.network.head.weight)
    assert F.cosine_similarity(found.flatten(), plain.flatten(), 0) < 0.999  # not a smaller step in the same direction


def test_sure_predictions_leave_finite_gradients_under_every_loss():
    for loss in (SymmetricCrossEntropy(), GeneralizedCrossEntropy(), FocalLoss(), nn.CrossEntropyLoss()):
        logits = torch.tensor([[104.0, 0, -104], [-104, 0, 104]], requires_grad=True)
        loss(logits, bootstrap_labels(torch.eye(2, 3), logits, 0.05, "soft")).backward()
        assert logits.grad.isfinite().all()


def test_wrong_arguments_and_company_are_refused():
    with pytest.raises(ValueError, match=r"BootstrapLabels: prediction_weight 1\.5"):
        BootstrapLabels(1.5)
    with pytest.raises(ValueError, match="LabelSmoothing and BootstrapLabels both soften labels"):
        Classifier(Linear((3,), 2), 2, regularizers=[LabelSmoothing(), BootstrapLabels()])
