"""Label smoothing agrees with its definition, and in its usual form with torch's."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from models.regularizers import LabelSmoothing
from models.regularizers.label_smoothing import smooth_labels

SPREADS = ("all", "others")
epsilons, classes, seeds = st.floats(0, 0.99), st.integers(2, 50), st.integers(0, 2**32 - 1)
quick = settings(max_examples=40, deadline=None)


def labels_and_logits(count, seed, samples=20):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(count, (samples,), generator=generator)
    return labels, torch.randn(samples, count, generator=generator)


def expected_row(label, count, epsilon, spread_over):
    if spread_over == "all":
        return [1 - epsilon + epsilon / count if k == label else epsilon / count for k in range(count)]
    return [1 - epsilon if k == label else epsilon / (count - 1) for k in range(count)]


@quick
@given(count=classes, epsilon=epsilons, seed=seeds, spread_over=st.sampled_from(SPREADS))
def test_every_class_gets_the_probability_of_the_definition(count, epsilon, seed, spread_over):
    labels, _ = labels_and_logits(count, seed)
    expected = torch.tensor([expected_row(label, count, epsilon, spread_over) for label in labels.tolist()])
    torch.testing.assert_close(smooth_labels(F.one_hot(labels, count).float(), epsilon, spread_over), expected)


@quick
@given(count=classes, epsilon=epsilons, seed=seeds)
def test_spreading_over_all_is_torchs_label_smoothing(count, epsilon, seed):
    labels, logits = labels_and_logits(count, seed)
    loss = F.cross_entropy(logits, smooth_labels(F.one_hot(labels, count).float(), epsilon))
    torch.testing.assert_close(loss, F.cross_entropy(logits, labels, label_smoothing=epsilon))


@quick
@given(count=classes, epsilon=epsilons, seed=seeds, spread_over=st.sampled_from(SPREADS))
def test_mixtures_stay_probabilities(count, epsilon, seed, spread_over):
    _, logits = labels_and_logits(count, seed)
    smoothed = smooth_labels(logits.softmax(-1), epsilon, spread_over)
    torch.testing.assert_close(smoothed.sum(-1), torch.ones(len(smoothed)))
    assert (smoothed >= 0).all()


@pytest.mark.parametrize("spread_over", SPREADS)
def test_an_epsilon_of_zero_is_the_identity(spread_over):
    inputs, targets = torch.rand(4, 3), torch.eye(4)
    assert torch.equal(smooth_labels(targets, 0, spread_over), targets)
    perturbed = LabelSmoothing(0, spread_over).perturb(inputs, targets)
    assert perturbed[0] is inputs
    assert perturbed[1] is targets


@pytest.mark.parametrize("spread_over", SPREADS)
def test_the_class_applies_its_settings_to_the_targets_alone(spread_over):
    inputs, targets = torch.rand(4, 3), torch.eye(4)
    perturbed = LabelSmoothing(0.3, spread_over).perturb(inputs, targets)
    assert perturbed[0] is inputs
    assert torch.equal(perturbed[1], smooth_labels(targets, 0.3, spread_over))
    assert torch.equal(targets, torch.eye(4))


def test_type_and_shape_are_kept_in_bfloat16_and_in_small_batches():
    for rows in (torch.eye(5, dtype=torch.bfloat16), torch.eye(5)[:1], torch.eye(5)[:0]):
        smoothed = smooth_labels(rows, 0.1)
        assert (smoothed.shape, smoothed.dtype) == (rows.shape, rows.dtype)
        torch.testing.assert_close(smoothed.float().sum(-1), torch.ones(len(rows)), atol=1e-2, rtol=0)


def test_gradients_through_smoothed_targets_are_finite():
    labels, logits = labels_and_logits(10, seed=0)
    logits.mul_(100).requires_grad_()
    F.cross_entropy(logits, smooth_labels(F.one_hot(labels, 10).float(), 0.1)).backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("epsilon", [-0.1, 1.0, 10, float("nan")])
def test_an_epsilon_out_of_range_is_refused(epsilon):
    with pytest.raises(ValueError, match="LabelSmoothing: epsilon"):
        LabelSmoothing(epsilon)
