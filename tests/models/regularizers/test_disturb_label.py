"""DisturbLabel draws labels as often, and as evenly, as the paper says."""

import pytest
import torch
import torch.nn.functional as F
from scipy import stats

from models import Classifier
from models.networks import Linear
from models.regularizers import DisturbLabel
from models.regularizers.disturb_label import disturb_labels

ERROR_PROBABILITY = 1e-6  # that a statistical test below fails by chance, were the seed not fixed
SAMPLES = 50_000
several = pytest.mark.parametrize(("classes", "alpha"), [(2, 10), (10, 10), (10, 20), (10, 100), (100, 50)])


def disturbed(classes, alpha, label=1):
    torch.manual_seed(0)
    targets = F.one_hot(torch.full((SAMPLES,), label), classes).float()
    _, drawn = DisturbLabel(alpha).perturb(torch.empty(SAMPLES, 1), targets)
    assert torch.equal(drawn.sum(-1), torch.ones(SAMPLES))
    return drawn.argmax(-1)


@several
def test_a_label_stays_with_the_papers_probability(classes, alpha):
    stayed = int((disturbed(classes, alpha) == 1).sum())
    probability = 1 - alpha / 100 * (classes - 1) / classes
    assert stats.binomtest(stayed, SAMPLES, probability).pvalue > ERROR_PROBABILITY


@several
def test_the_other_classes_are_equally_likely(classes, alpha):
    gamma = alpha / 100
    expected = torch.full((classes,), gamma / classes, dtype=torch.float64)
    expected[1] += 1 - gamma
    observed = disturbed(classes, alpha).bincount(minlength=classes)
    assert stats.chisquare(observed.numpy(), (expected * SAMPLES).numpy()).pvalue > ERROR_PROBABILITY


def test_an_alpha_of_100_draws_the_same_whatever_the_true_label():
    assert torch.equal(disturbed(10, 100, label=0), disturbed(10, 100, label=9))


def test_whether_one_label_is_disturbed_says_nothing_about_the_next():
    changed = (disturbed(10, 50) != 1).long()
    table = (2 * changed[:-1] + changed[1:]).bincount(minlength=4).view(2, 2)
    assert stats.chi2_contingency(table.numpy()).pvalue > ERROR_PROBABILITY


def test_an_alpha_of_zero_is_the_identity_and_draws_nothing():
    inputs, targets, before = torch.rand(4, 3), torch.eye(4), torch.get_rng_state()
    perturbed = DisturbLabel(0).perturb(inputs, targets)
    assert perturbed[0] is inputs
    assert perturbed[1] is targets
    assert torch.equal(torch.get_rng_state(), before)


def test_inputs_and_the_targets_given_are_left_as_they_are():
    inputs, targets = torch.rand(50, 3), torch.eye(50)
    perturbed = DisturbLabel(100).perturb(inputs, targets)
    assert perturbed[0] is inputs
    assert torch.equal(targets, torch.eye(50))


def test_soft_targets_are_either_untouched_or_one_hot():
    torch.manual_seed(0)
    targets = torch.rand(1000, 5).softmax(-1)
    after = disturb_labels(targets, 0.5, 5)
    untouched = (after == targets).all(-1)
    assert 300 < untouched.sum() < 700
    assert (after[~untouched].max(-1).values == 1).all()
    assert (after[~untouched].sum(-1) == 1).all()


@pytest.mark.parametrize("confusion", [None, [[0.2, 0.3, 0.5]] * 3])
def test_labels_are_disturbed_as_probabilities_are(confusion):
    labels, regularizer = torch.arange(300) % 3, DisturbLabel(50, confusion)
    regularizer.setup(Linear((3,), 3), 3, ())
    drawn = []
    for targets in (labels, F.one_hot(labels, 3).float()):
        torch.manual_seed(0)
        drawn.append(regularizer.perturb(torch.empty(300, 3), targets)[1])
    assert drawn[0].dtype == torch.int64
    assert torch.equal(drawn[0], drawn[1].argmax(-1))
    assert not torch.equal(drawn[0], labels)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64])
def test_other_types_of_targets_are_kept(kind):
    drawn = disturb_labels(torch.eye(10, dtype=kind), 1.0, 10)
    assert drawn.dtype == kind
    assert torch.equal(drawn.sum(-1), torch.ones(10, dtype=kind))


@pytest.mark.parametrize("kind", [torch.uint8, torch.int16, torch.int32])
def test_labels_of_any_integers_are_disturbed(kind):
    drawn = disturb_labels(torch.ones(1000, dtype=kind), 1.0, 10)
    assert drawn.dtype == torch.int64
    assert drawn.unique().tolist() == list(range(10))


def test_a_step_on_another_device_changes_nothing_for_the_next():
    with torch.device("meta"):
        disturb_labels(torch.ones(10, dtype=torch.int64), 0.123, 10)
    assert disturb_labels(torch.ones(10, dtype=torch.int64), 0.123, 10).device.type == "cpu"


@pytest.mark.parametrize("samples", [0, 1])
def test_a_batch_may_hold_one_sample_or_none(samples):
    assert disturb_labels(torch.eye(4)[:samples], 1.0, 4).shape == (samples, 4)


def test_torchs_seed_decides_the_draws():
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(disturb_labels(torch.eye(100), 0.5, 100))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("alpha", [-1, 100.5, float("nan")])
def test_an_alpha_out_of_range_is_refused(alpha):
    with pytest.raises(ValueError, match=r"DisturbLabel: alpha .* percentage"):
        DisturbLabel(alpha)


CONFUSION = [[0.0, 1.0, 0.0, 0.0], [0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 0.5, 0.5]]


@pytest.mark.parametrize("label", range(4))
def test_with_a_confusion_matrix_labels_are_drawn_from_their_classs_row(label):
    torch.manual_seed(0)
    targets = F.one_hot(torch.full((SAMPLES,), label), 4).float()
    _, drawn = DisturbLabel(60, CONFUSION).perturb(torch.empty(SAMPLES, 1), targets)
    expected = 0.6 * torch.tensor(CONFUSION[label], dtype=torch.float64)
    expected[label] += 0.4
    observed = drawn.argmax(-1).bincount(minlength=4)
    possible = expected > 0
    assert not observed[~possible].any()
    assert (
        stats.chisquare(observed[possible].numpy(), (expected[possible] * SAMPLES).numpy()).pvalue > ERROR_PROBABILITY
    )


@pytest.mark.parametrize(
    ("confusion", "message"),
    [([[0.5, 0.4], [0.5, 0.5]], "row 0 of confusion"), ([[1.0, 0.0]], "row 0"), ([[1.5, -0.5], [0.5, 0.5]], "row 0")],
)
def test_a_confusion_that_is_none_is_refused(confusion, message):
    with pytest.raises(ValueError, match=f"DisturbLabel: {message}"):
        DisturbLabel(10, confusion)


def test_one_class_and_a_confusion_of_other_classes_are_refused():
    with pytest.raises(ValueError, match="there is one class, and no other to draw"):
        Classifier(Linear((3,), 1), 1, regularizers=[DisturbLabel()])
    with pytest.raises(ValueError, match="confusion has 4 rows; there are 3 classes"):
        Classifier(Linear((3,), 3), 3, regularizers=[DisturbLabel(10, CONFUSION)])
