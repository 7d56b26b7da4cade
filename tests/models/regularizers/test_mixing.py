"""Mixed samples are what the papers' equations say, and λ, boxes and turns are drawn as they say."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from models import Classifier, Regressor, TrainingError
from models.networks import Linear
from models.regularizers import (
    L1,
    CutMix,
    DisturbLabel,
    InputNoise,
    LabelSmoothing,
    MixUp,
    RandomMix,
    Regularizer,
    Scheduled,
)
from models.regularizers.mixing import cut_mix, draw_lambdas, mix_up

ERROR_PROBABILITY = 1e-6  # that a statistical test below fails by chance, were the seed not fixed
quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def batch(samples=6, size=8, classes=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, 3, size, size, generator=generator)
    targets = F.one_hot(torch.randint(classes, (samples,), generator=generator), classes).float()
    lambdas = torch.rand(samples, generator=generator)
    return inputs, targets, lambdas, torch.randperm(samples, generator=generator)


def identifiable(samples):
    """Return a batch of which sample k is k everywhere, and is of class k."""
    return torch.arange(samples).float().view(-1, 1, 1, 1).expand(samples, 1, 8, 8), torch.eye(samples)


@quick
@given(seed=seeds)
def test_mixup_is_the_papers_sum(seed):
    inputs, targets, lambdas, partners = batch(seed=seed)
    mixed, labels = mix_up(inputs, targets, lambdas, partners)
    for k, (weight, partner) in enumerate(zip(lambdas.tolist(), partners.tolist(), strict=True)):
        torch.testing.assert_close(mixed[k], weight * inputs[k] + (1 - weight) * inputs[partner])
        torch.testing.assert_close(labels[k], weight * targets[k] + (1 - weight) * targets[partner])


@quick
@given(seed=seeds, height=st.integers(1, 12), width=st.integers(1, 12))
def test_cutmix_mixes_labels_by_the_visible_pixels(seed, height, width):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 1, height, width)
    partners = torch.randperm(6, generator=generator)
    lambdas, centres = torch.rand(6, generator=generator), torch.rand(6, 2, generator=generator)
    mixed, labels = cut_mix(inputs, torch.eye(6), lambdas, partners, centres)
    for k, partner in enumerate(partners.tolist()):
        expected = ((mixed[k] == k).float().mean() if partner != k else torch.tensor(1.0)).item()
        assert labels[k, k].item() == pytest.approx(expected, abs=1e-6)
        assert labels[k].sum().item() == pytest.approx(1, abs=1e-6)


def test_a_box_in_the_middle_is_one_rectangle_with_the_area_that_lambda_leaves():
    inputs, targets = torch.zeros(2, 1, 32, 32), torch.eye(2)
    inputs[1] = 1
    partners, middle = torch.tensor([1, 0]), torch.full((2, 2), 0.5)
    for weight in (0.0, 0.25, 0.75, 1.0):
        mixed, labels = cut_mix(inputs, targets, torch.full((2,), weight), partners, middle)
        edge = int(32 * (1 - weight) ** 0.5)
        rows, columns = mixed[0, 0].any(1), mixed[0, 0].any(0)
        assert (rows.sum().item(), columns.sum().item()) == (edge, edge)
        assert mixed[0].sum().item() == edge**2
        assert labels[0].tolist() == pytest.approx([1 - edge**2 / 1024, edge**2 / 1024])


def test_boxes_that_stick_out_are_clipped_and_count_for_what_is_left():
    inputs = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 32, 32)
    lambdas, corner = torch.full((2,), 0.75), torch.zeros(2, 2)
    mixed, labels = cut_mix(inputs, torch.eye(2), lambdas, torch.tensor([1, 0]), corner)
    assert mixed[0].sum().item() == 8 * 8
    assert labels[0, 1].item() == pytest.approx(64 / 1024)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_lambda_is_drawn_from_beta_for_every_sample(alpha):
    torch.manual_seed(0)
    inputs = torch.stack([torch.zeros(1), torch.ones(1)]).repeat(10_000, 1)
    mixed, _ = MixUp(alpha).perturb(inputs, inputs)
    # A zero that met a one is 1 − λ, a one that met a zero λ; both are drawn alike, and equal partners tell nothing.
    drawn = mixed[(mixed > 0) & (mixed < 1)]
    assert len(drawn) > 5_000
    assert stats.kstest(drawn.numpy(), stats.beta(alpha, alpha).cdf).pvalue > ERROR_PROBABILITY


@pytest.mark.parametrize("kind", [MixUp, CutMix])
def test_lambda_is_one_for_the_batch_where_asked_for(kind):
    torch.manual_seed(3)
    inputs, targets = identifiable(50)
    for each, several in (("sample", True), ("batch", False)):
        _, labels = kind(alpha=1.0, each=each).perturb(inputs, targets)
        kept = labels.diagonal()[labels.diagonal() < 1]
        if kind is MixUp:
            assert (len(kept.unique()) > 1) == several


@pytest.mark.parametrize("kind", [MixUp, CutMix])
def test_partners_are_a_permutation_of_the_batch(kind):
    torch.manual_seed(0)
    _, labels = kind(alpha=1.0).perturb(*identifiable(100))
    torch.testing.assert_close(labels.sum(1), torch.ones(100))
    assert ((labels > 0).sum(0) <= 2).all()


@pytest.mark.parametrize("alpha", [1e-40, 1e-4, 1e-3, 0.01, 0.05, 0.5, 1.0, 3.0, 100.0])
def test_lambdas_are_beta_however_small_alpha_is(alpha):
    torch.manual_seed(0)
    drawn = draw_lambdas(alpha, 20_000, torch.device("cpu")).double().numpy()
    beta = stats.beta(max(alpha, 1e-12), max(alpha, 1e-12))
    edges = [1e-6, 0.01, 0.2, 0.5, 0.8, 0.99, 1 - 1e-6]
    probabilities = np.diff(beta.cdf([0, *edges, 1]))
    counts = np.histogram(drawn, [0, *edges, 1])[0]
    kept = probabilities * len(drawn) > 5
    assert counts[~kept].sum() < 50
    assert kept.sum() > 1
    expected = probabilities[kept] / probabilities[kept].sum() * counts[kept].sum()
    assert stats.chisquare(counts[kept], expected).pvalue > ERROR_PROBABILITY


@pytest.mark.parametrize("alpha", [1e-40, 1e-4, 0.01, 100.0, 1e6, 1e30])
def test_extreme_alphas_give_numbers(alpha):
    torch.manual_seed(0)
    for kind in (MixUp, CutMix):
        mixed, labels = kind(alpha).perturb(*identifiable(100))
        assert mixed.isfinite().all()
        torch.testing.assert_close(labels.sum(1), torch.ones(100))


def test_integers_are_not_mixed():
    with pytest.raises(ValueError, match="floating-point values, not torch"):
        mix_up(torch.rand(4, 3), torch.arange(4).view(4, 1), torch.rand(4), torch.arange(4))


def test_turns_are_taken_as_often_as_asked_for():
    torch.manual_seed(0)
    turns = RandomMix([MixUp(1.0), CutMix(1.0)], [0.5, 0.3])
    inputs, targets = identifiable(4)
    counts = {"mixup": 0, "cutmix": 0, "none": 0}
    for _ in range(2000):
        mixed, _ = turns.perturb(inputs, targets)
        whole = (mixed == mixed.round()).all()
        counts["none" if mixed is inputs else "cutmix" if whole else "mixup"] += 1
    expected = [1000, 600, 400]
    # MixUp of four by the identity permutation, once in 24, looks like CutMix.
    expected[0], expected[1] = expected[0] * 23 / 24, expected[1] + expected[0] / 24
    assert stats.chisquare(list(counts.values()), expected).pvalue > ERROR_PROBABILITY


class Both(Regularizer):
    def perturb(self, inputs, targets):
        return inputs + 1, targets

    def project(self, network):
        pass


class Half(Regularizer):
    def perturb(self, inputs, targets):
        return inputs[::2], targets


def test_the_choice_at_fault_is_named_not_the_mix():
    task = Classifier(Linear((3, 8, 8), 5), 5, regularizers=[RandomMix([Half()])])
    with pytest.raises(TrainingError, match=r"Half\.perturb must return as many inputs as it was given: 4, not 2"):
        task.training_step((torch.randn(4, 3, 8, 8), torch.zeros(4, dtype=torch.int64)), 0)


def test_mixing_is_refused_where_it_makes_no_sense():
    network = Linear((3, 8, 8), 5)
    for regularizers, message in (
        ([MixUp(), CutMix()], "MixUp and CutMix both mix samples"),
        ([RandomMix([MixUp()]), MixUp(0.5)], "MixUp and MixUp both mix"),
        ([RandomMix([MixUp(), CutMix()]), RandomMix([CutMix(), MixUp()])], "leave one out"),
        ([RandomMix([LabelSmoothing(), DisturbLabel()]), LabelSmoothing(0.2)], "both soften labels"),
        ([RandomMix([Scheduled(L1(1e-3), 3)])], "RandomMix: L1 does not change batches"),
        ([RandomMix([MixUp(), Both()])], "RandomMix: Both does not only change batches"),
        ([MixUp(), Scheduled(CutMix(), 3)], "MixUp and CutMix both mix"),
        ([RandomMix([MixUp(), LabelSmoothing()]), LabelSmoothing(), LabelSmoothing()], "LabelSmoothing .* twice"),
    ):
        with pytest.raises(ValueError, match=message):
            Classifier(network, 5, regularizers=regularizers)
    with pytest.raises(ValueError, match="CutMix is for classes"):
        Regressor(Linear((3,), 1), [0.0], [1.0], regularizers=[RandomMix([CutMix()])])
    Regressor(Linear((3,), 1), [0.0], [1.0], regularizers=[MixUp()])
    Classifier(network, 5, regularizers=[RandomMix([InputNoise(), InputNoise(0.3)]), DisturbLabel(), MixUp()])
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    with pytest.raises(ValueError, match="the loss's label_smoothing and LabelSmoothing both"):
        Classifier(network, 5, loss=loss, regularizers=[RandomMix([LabelSmoothing()])])


def test_a_choice_of_turns_follows_its_schedule():
    turns = RandomMix([Scheduled(MixUp(1.0), end_epoch=2)])
    for epoch, strength in ((0, 0.0), (1, 0.5), (2, 1.0)):
        turns.start_epoch(epoch)
        assert turns.choices.members()[0].alpha == strength


def test_wrong_arguments_are_refused_by_name():
    for make, message in (
        (lambda: MixUp(-1), "MixUp: alpha -1"),
        (lambda: CutMix(float("inf")), "CutMix: alpha inf"),
        (lambda: RandomMix([]), "no choices"),
        (lambda: RandomMix([MixUp()], [0.5, 0.5]), "2 probabilities for 1 choices"),
        (lambda: RandomMix([MixUp(), CutMix()], [0.9, 0.3]), "with a sum of at most 1"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


def test_samples_that_are_no_images_or_have_several_targets_are_refused():
    with pytest.raises(TrainingError, match=r"CutMix takes images, not samples \(4,\)"):
        CutMix().check_batch(torch.rand(3, 4), of_steps=False)
    with pytest.raises(TrainingError, match="MixUp mixes samples with one target each"):
        MixUp().check_batch(torch.rand(3, 4), of_steps=True)


@pytest.mark.parametrize(
    "listed", [CutMix(), CutMix(0), Scheduled(CutMix(), 3, 2), RandomMix([MixUp(), CutMix()], [1, 0])]
)
def test_what_cannot_be_mixed_is_refused_before_the_first_step_whatever_the_strength(listed):
    task = Classifier(Linear((3,), 2), 2, regularizers=[listed])
    task.regularizers.start_epoch(0)
    with pytest.raises(TrainingError, match=r"CutMix takes images, not samples \(3,\)"):
        task.training_step((torch.rand(4, 3), torch.randint(2, (4,))), 0)
