"""Prediction sets hold the truth as often as they state, in a sample of any size."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models import TrainingError
from models.calibration import Calibration, Conformal, conformal_threshold
from models.calibration.conformal import (
    class_probabilities,
    class_scores,
    interval_scores,
    label_probabilities,
    label_scores,
    prediction_sets,
)

SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]) | st.floats(0, 1), min_size=2, max_size=40)
COVERAGES = st.sampled_from([0.1, 0.5, 0.8, 0.9, 0.95])


@given(SCORES, COVERAGES)
def test_of_any_samples_each_is_covered_by_the_others_often_enough(scores, coverage):
    """Write the guarantee out: a new sample is any of N + 1 with the same probability."""
    if len(scores) - 1 < coverage / (1 - coverage) - 1e-9:
        with pytest.raises(ValueError, match="validation samples or more"):
            conformal_threshold(torch.tensor(scores[1:]), coverage)
        return
    values = torch.tensor(scores, dtype=torch.float64)
    held = [
        values[k] <= conformal_threshold(values[torch.arange(len(values)) != k], coverage) for k in range(len(values))
    ]
    assert sum(held) / len(held) >= coverage - 1e-9
    if values.unique().numel() == len(values):
        assert sum(held) <= math.ceil(coverage * len(values) - 1e-9), "and not much more often"


@given(SCORES, COVERAGES)
def test_it_is_the_smallest_score_that_enough_do_not_exceed(scores, coverage):
    wanted = (len(scores) + 1) * coverage - 1e-9
    if wanted > len(scores):
        return
    found = conformal_threshold(torch.tensor(scores, dtype=torch.float64), coverage)
    assert found in scores
    assert np.sum(np.array(scores) < found) < wanted <= np.sum(np.array(scores) <= found)


@given(st.integers(1, 30), st.integers(2, 6), st.floats(0, 1), st.integers(0, 1000))
def test_a_target_is_in_its_set_if_its_score_allows(samples, classes, threshold, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 5 * torch.randn(samples, classes, generator=generator)
    targets = torch.randint(classes, (samples,), generator=generator)
    sets = prediction_sets(class_probabilities(logits), threshold)
    assert torch.equal(sets[torch.arange(samples), targets], class_scores(logits, targets) <= threshold)
    labels = torch.rand(samples, classes, generator=generator) < 0.4
    sets = prediction_sets(label_probabilities(logits), threshold)
    assert torch.equal((sets | ~labels).all(1), label_scores(logits, labels) <= threshold)


def test_the_score_of_several_outputs_is_that_of_the_worst():
    predictions, targets = torch.tensor([[1.0, 10.0], [0.0, 0.0]]), torch.tensor([[2.0, 10.0], [0.5, 30.0]])
    assert interval_scores(predictions, targets, torch.tensor([1.0, 10.0])).tolist() == [1.0, 3.0]


def test_too_few_samples_say_how_many_it_takes():
    with pytest.raises(ValueError, match=r"a coverage of 0\.9 needs 9 validation samples or more, not 8"):
        conformal_threshold(torch.rand(8), 0.9)
    conformal_threshold(torch.rand(9), 0.9)


@given(
    st.floats(0.05, 20),
    st.none() | st.builds(Conformal, st.floats(0.01, 0.99), st.floats(0, 5)),
    st.integers(0, 99),
    st.text(),
)
def test_a_calibration_is_the_same_after_it_was_stored(temperature, conformal, samples, views):
    calibration = Calibration(temperature, conformal, samples, views)
    assert Calibration.from_plain(calibration.to_plain()) == calibration


SETS = {"coverage": 0.9, "threshold": 0.5}
HOSTILE = [
    {},
    {"temperature": math.nan},
    {"temperature": 0.0},
    {"temperature": -1.0},
    {"temperature": 1e9},
    {"temperature": True},
    {"temperature": "1"},
    {"temperature": torch.ones(3)},
    {"temperature": 1.0, "conformal": 3},
    {"temperature": 1.0, "conformal": SETS | {"threshold": math.inf}},
    {"temperature": 1.0, "conformal": SETS | {"threshold": -1.0}},
    {"temperature": 1.0, "conformal": SETS | {"coverage": 7}},
    {"temperature": 1.0, "conformal": SETS | {"coverage": "0.9"}},
    [1.0],
    "1",
]


@pytest.mark.parametrize("value", HOSTILE, ids=str)
def test_values_that_cannot_be_are_refused(value):
    with pytest.raises(TrainingError, match="run holdout calibrate again"):
        Calibration.from_plain(value)
