"""Which regularizers apply to several yes/no labels per sample, and what they do there."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules import Digits
from models import MultiLabelClassifier
from models.networks import MLP
from models.regularizers import CutMix, LabelSmoothing, MixUp, RandomMix, RDrop, Regularizer, Scheduled
from tests.digit_labels import labels_of
from tests.models.regularizers.test_every_regularizer import CLASSIFICATION, REGRESSION

REFUSED = {"BootstrapLabels", "ConfidencePenalty", "DisturbLabel", "OnlineLabelSmoothing", "RDrop"}
REFUSED |= {"DisturbError", "DisturbValue"}
EVERY = CLASSIFICATION | REGRESSION


@pytest.fixture(scope="module")
def batch():
    data = Digits()
    data.setup()
    return data.samples.inputs[:32] / 16, labels_of(data.samples.targets[:32])


def task_with(*regularizers, **options):
    torch.manual_seed(0)
    network = MLP((1, 8, 8), 3, [32], norm="layer")
    return MultiLabelClassifier(network, 3, regularizers=list(regularizers), **options)


def objective(task, batch, seed=0):
    torch.manual_seed(seed)
    return task.train().training_step(batch, 0)


@pytest.mark.parametrize("name", EVERY)
def test_each_applies_or_is_refused_by_name(batch, name):
    kind = name.split()[0]
    if kind in REFUSED:
        with pytest.raises(ValueError, match=rf"^{kind} is for .*; the data has several yes/no labels per sample"):
            task_with(EVERY[name]())
        return
    task, plain = task_with(EVERY[name]()), task_with()
    loss, without = objective(task, batch), objective(plain, batch)
    loss.backward()
    assert loss.isfinite()
    # max-norm acts after the step
    assert loss.item() != without.item() or kind == "MaxNorm"
    assert all(p.grad is None or p.grad.isfinite().all() for p in task.parameters())


@pytest.mark.parametrize("wrap", [lambda item: RandomMix([item, MixUp()]), lambda item: Scheduled(item, end_epoch=2)])
def test_one_inside_another_is_refused_too(wrap):
    class Swap(Regularizer):
        applies_to = ("classes",)
        strength = "alpha"
        alpha = 1.0

        def perturb(self, inputs, targets):
            return inputs, targets

    with pytest.raises(ValueError, match=r"^Swap is for classes; the data has several yes/no labels"):
        task_with(wrap(Swap()))


def test_a_class_of_ones_own_says_itself_what_it_applies_to():
    hooks = {"penalty": lambda self, step: None}
    task_with(type("Own", (Regularizer,), hooks)())
    with pytest.raises(ValueError, match="Own is for classes or continuous targets; the data has several"):
        task_with(type("Own", (Regularizer,), hooks | {"applies_to": ("classes", "values")})())


@pytest.mark.parametrize("spread_over", ["all", "others"])
def test_smoothing_moves_each_label_towards_one_half_as_with_two_classes(batch, spread_over):
    task = task_with(LabelSmoothing(0.2, spread_over))
    _, soft = task.regularizers.perturb(batch[0], task.soft_targets(batch[1]))
    low = 0.1 if spread_over == "all" else 0.2
    torch.testing.assert_close(soft, torch.where(batch[1], 1 - low, low))
    _, single = LabelSmoothing(0.2, spread_over).perturb(batch[0], F.one_hot(batch[1][:, 0].long(), 2).float())
    torch.testing.assert_close(soft[:, 0], single[:, 1])


@settings(max_examples=20, deadline=None)
@given(alpha=st.floats(0.05, 5), seed=st.integers(0, 1000), number=st.integers(1, 5))
def test_mixing_mixes_each_label_like_the_inputs(alpha, seed, number):
    torch.manual_seed(seed)
    labels = (torch.rand(16, number) < 0.4).float()
    constant = labels.unsqueeze(-1).unsqueeze(-1).expand(16, number, 8, 8)  # each label is an image of its own
    mixed, targets = MixUp(alpha).perturb(constant, labels)
    torch.testing.assert_close(mixed[:, :, 0, 0], targets)
    mixed, targets = CutMix(alpha).perturb(constant, labels)
    torch.testing.assert_close(mixed.mean((2, 3)), targets)


def test_the_kind_of_targets_is_no_setting():
    smoothing = LabelSmoothing(0.1)
    before = repr(smoothing)
    task_with(smoothing)
    assert repr(smoothing) == before
    assert "classes" in RDrop.applies_to
