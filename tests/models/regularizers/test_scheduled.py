"""A scheduled regularizer has the strength of its epoch, after a resume too."""

import math
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models import Classifier
from models.networks import Linear
from models.regularizers import (
    L1,
    DisturbLabel,
    LabelSmoothing,
    MixUp,
    OnlineLabelSmoothing,
    RandomMix,
    Regularizer,
    RegularizerChain,
    Scheduled,
)
from models.regularizers.scheduled import ramp


class Recorder(Regularizer):
    """Counts nothing and changes nothing; keeps the strength of each step."""

    strength = "level"

    def __init__(self, level):
        super().__init__()
        self.level, self.seen = level, []

    def perturb(self, inputs, targets):
        self.seen.append(self.level)
        return inputs, targets


@given(start=st.integers(0, 20), length=st.integers(1, 20), epoch=st.integers(0, 60))
def test_a_ramp_goes_from_0_to_1_between_its_epochs(start, length, epoch):
    progress = min(max((epoch - start) / length, 0), 1)
    assert ramp(epoch, start, start + length) == pytest.approx(progress)
    assert ramp(epoch, start, start + length, "cosine") == pytest.approx((1 - math.cos(math.pi * progress)) / 2)


def test_a_ramp_without_length_is_a_step():
    assert [ramp(epoch, 3, 3) for epoch in (0, 2, 3, 4)] == [0, 0, 1, 1]


def test_the_strength_is_that_of_the_epoch(fit):
    task = Classifier(
        Linear((1, 8, 8), 10), 10, regularizers=[Scheduled(Recorder(10), start_epoch=1, end_epoch=3, initial=0.2)]
    )
    fit(task, max_epochs=5)
    assert task.regularizers[0].seen == pytest.approx([2.0] * 6 + [6.0] * 3 + [10.0] * 6)


def test_a_run_that_goes_on_has_the_strength_of_its_epoch(fit, tmp_path):
    def task():
        return Classifier(Linear((1, 8, 8), 10), 10, regularizers=[Scheduled(Recorder(10), end_epoch=4)])

    first = task()
    fit(first, max_epochs=2).save_checkpoint(tmp_path / "two.ckpt")
    second = task()
    fit(second, max_epochs=4, ckpt_path=tmp_path / "two.ckpt")
    assert second.regularizers[0].seen == pytest.approx([5.0] * 3 + [7.5] * 3)


def test_strength_0_is_the_identity_and_full_strength_what_was_wrapped():
    inputs, targets = torch.rand(50, 3), torch.eye(50)
    chain = RegularizerChain([Scheduled(DisturbLabel(100), end_epoch=2)])
    chain.start_epoch(0)
    assert chain.perturb(inputs, targets)[1] is targets
    chain.start_epoch(2)
    results = []
    for regularizers in (chain, DisturbLabel(100)):
        torch.manual_seed(0)
        results.append(regularizers.perturb(inputs, targets)[1])
    assert torch.equal(*results)


def test_what_is_wrapped_stays_as_it_was_and_can_be_wrapped_again():
    disturb = DisturbLabel(20)
    for _ in range(2):
        Scheduled(disturb, end_epoch=5).start_epoch(0)
        assert disturb.alpha == 20


def test_a_list_holds_the_regularizer_itself():
    scheduled = Scheduled(DisturbLabel(20), end_epoch=5)
    chain = RegularizerChain([scheduled, L1()])
    assert [type(item) for item in chain] == [type(item) for item in chain.members()] == [DisturbLabel, L1]
    assert chain.schedules == [scheduled]


def test_what_learns_from_epoch_to_epoch_does_so_when_it_is_scheduled():
    softened = []
    for regularizer in (OnlineLabelSmoothing(), Scheduled(OnlineLabelSmoothing(), end_epoch=1)):
        chain = Classifier(Linear((3,), 3), 3, regularizers=[regularizer]).regularizers
        chain.revise(torch.eye(3) * 4, torch.eye(3))
        chain.start_epoch(1)
        softened.append(chain.revise(torch.eye(3), torch.eye(3)))
    assert torch.equal(*softened)
    assert softened[0].diagonal().min() > 0.9


@pytest.mark.parametrize(
    "several",
    [
        [Scheduled(L1(1e-3), 5), Scheduled(L1(1e-4), 20, 10)],
        [DisturbLabel(10), DisturbLabel(10, torch.eye(2).tolist())],
    ],
)
def test_items_that_differ_in_their_settings_are_no_repetition(several):
    Classifier(Linear((3,), 2), 2, regularizers=several)


class Remembering(Regularizer):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def setup(self, network, num_classes, before):
        super().setup(network, num_classes, before)
        self.register_buffer("seen", torch.zeros(num_classes))


def test_settings_decide_what_is_a_repetition_not_what_is_remembered():
    scales = torch.ones(2), torch.ones(2), torch.zeros(2)
    Classifier(Linear((3,), 2), 2, regularizers=[Remembering(scales[0]), Remembering(scales[2])])
    with pytest.raises(ValueError, match="Remembering is in the list of regularizers twice"):
        Classifier(Linear((3,), 2), 2, regularizers=[Remembering(scales[0]), Remembering(scales[1])])


def test_an_item_and_the_same_one_scheduled_are_a_repetition():
    with pytest.raises(ValueError, match="L1 is in the list of regularizers twice"):
        Classifier(Linear((3,), 2), 2, regularizers=[L1(1e-3), Scheduled(L1(1e-3), 5)])


def test_it_counts_as_what_it_wraps():
    network = Linear((3,), 2)
    with pytest.raises(ValueError, match="LabelSmoothing and LabelSmoothing both soften"):
        Classifier(network, 2, regularizers=[Scheduled(LabelSmoothing(), 0, final=1), LabelSmoothing(0.0)])
    with pytest.raises(ValueError, match="DisturbLabel after MixUp"):
        Classifier(network, 2, regularizers=[Scheduled(MixUp(), 3), Scheduled(DisturbLabel(), 3)])


@pytest.mark.parametrize("turns", [False, True])
@pytest.mark.parametrize(("end", "initial", "warned"), [(2, 0, False), (3, 0, True), (3, 1, False)])
def test_a_ramp_that_outlasts_the_run_is_warned_about(fit, end, initial, warned, turns):
    scheduled = Scheduled(DisturbLabel(), end_epoch=end, initial=initial)
    scheduled = RandomMix([scheduled]) if turns else scheduled
    task = Classifier(Linear((1, 8, 8), 10), 10, regularizers=[scheduled])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(task, max_epochs=3)
    said = [str(warning.message) for warning in caught if "DisturbLabel" in str(warning.message)]
    expected = "DisturbLabel reaches its final strength in epoch 4, but the run ends after epoch 3"
    assert said == ([expected] if warned else [])


class Misnamed(Regularizer):
    strength = "amount"


def test_wrong_arguments_are_refused():
    for make, message in (
        (lambda: Scheduled(Misnamed(), 3), "Misnamed calls its strength 'amount', and has no such attribute"),
        (lambda: Scheduled(Regularizer(), 3), "Regularizer has no strength"),
        (lambda: Scheduled(MixUp(), 3, start_epoch=4), "start_epoch 4"),
        (lambda: Scheduled(MixUp(), 3, initial=2), "initial 2"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
