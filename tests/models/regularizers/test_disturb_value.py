"""Disturbed values are as many, and as far off, as asked for; DisturbError picks close predictions alone."""

import pytest
import torch
from scipy import stats

from models import Classifier, Regressor
from models.networks import Linear
from models.regularizers import DisturbError, DisturbValue

ERROR_PROBABILITY = 1e-6
SAMPLES = 50_000


@pytest.mark.parametrize(("alpha", "std"), [(10, 0.5), (60, 2.0), (100, 0.1)])
def test_as_many_values_are_disturbed_and_as_far_as_asked_for(alpha, std):
    torch.manual_seed(0)
    targets = torch.linspace(-1, 1, SAMPLES).unsqueeze(1)
    _, disturbed = DisturbValue(alpha, std).perturb(torch.empty(SAMPLES, 1), targets)
    noise = (disturbed - targets)[disturbed != targets]
    assert stats.binomtest(len(noise), SAMPLES, alpha / 100).pvalue > ERROR_PROBABILITY
    assert stats.kstest(noise.numpy(), stats.norm(0, std).cdf).pvalue > ERROR_PROBABILITY


def test_all_outputs_of_a_sample_are_disturbed_or_none():
    torch.manual_seed(0)
    _, disturbed = DisturbValue(50).perturb(torch.empty(1000, 1), torch.zeros(1000, 3))
    assert ((disturbed != 0).sum(1) % 3 == 0).all()


def test_only_close_predictions_are_disturbed():
    torch.manual_seed(0)
    targets, errors = torch.zeros(SAMPLES, 1), torch.linspace(0, 1, SAMPLES).unsqueeze(1)
    revised = DisturbError(alpha=20, threshold=0.25).revise(errors, targets)
    changed = (revised != targets).flatten()
    close = (errors <= 0.25).flatten()
    assert not changed[~close].any()
    count = int(changed[close].sum())
    assert stats.binomtest(count, int(close.sum()), 0.2).pvalue > ERROR_PROBABILITY


@pytest.mark.parametrize("kind", [DisturbValue, DisturbError])
def test_wrong_arguments_and_classes_are_refused(kind):
    for arguments, message in (
        ({"alpha": 101}, "alpha 101"),
        ({"std": 0}, "std 0"),
        ({"std": float("nan")}, "std nan"),
    ):
        with pytest.raises(ValueError, match=f"{kind.__name__}: {message}"):
            kind(**arguments)
    with pytest.raises(ValueError, match=f"{kind.__name__} is for continuous targets"):
        Classifier(Linear((3,), 2), 2, regularizers=[kind()])
    Regressor(Linear((3,), 1), [0.0], [1.0], regularizers=[kind()])
