"""The temperature is where the cross entropy of the validation part is least, or stated where there is none."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from models import TrainingError
from models.calibration import fit_temperature
from models.calibration.temperature import HIGHEST, LOWEST, as_classes


def drawn(samples=400, classes=5, sharpness=1.0, seed=0):
    """Return logits that are calibrated, times `sharpness`, and labels drawn from their probabilities."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(samples, classes, generator=generator)
    return sharpness * logits, logits.softmax(-1).multinomial(1, generator=generator).squeeze(1)


def loss(logits, targets, temperature):
    """Return the mean cross entropy with half a sample of any class more."""
    smoothing = 0.5 / (len(targets) + 0.5)
    return F.cross_entropy(logits.double() / temperature, targets, label_smoothing=smoothing)


def by_gradient_descent(logits, targets):
    """Minimise as Guo et al. do: LBFGS on the temperature."""
    temperature = torch.ones(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([temperature], lr=0.1, max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-14)

    def closure():
        optimizer.zero_grad()
        value = loss(logits, targets, temperature)
        value.backward()
        return value

    optimizer.step(closure)
    return temperature.item()


@pytest.mark.parametrize("sharpness", [0.4, 1.0, 3.0])
def test_it_is_the_one_that_guo_et_al_find(sharpness):
    logits, targets = drawn(sharpness=sharpness)
    fitted = fit_temperature(logits, targets)
    assert fitted == pytest.approx(by_gradient_descent(logits, targets), rel=1e-6)
    assert fitted == pytest.approx(sharpness, rel=0.15)


@settings(max_examples=60)
@given(st.integers(1, 60), st.integers(2, 6), st.sampled_from([0.01, 1.0, 30.0]), st.integers(0, 10_000))
def test_no_other_temperature_has_a_lower_loss(samples, classes, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(samples, classes, generator=generator)
    targets = torch.randint(classes, (samples,), generator=generator)
    fitted = fit_temperature(logits, targets)
    assert LOWEST <= fitted <= HIGHEST
    others = np.geomspace(LOWEST, HIGHEST, 50).clip(LOWEST, HIGHEST).tolist()
    assert loss(logits, targets, fitted) <= min(loss(logits, targets, other) for other in others) + 1e-12


def test_logits_of_another_scale_have_a_temperature_of_that_scale():
    logits, targets = drawn()
    assert fit_temperature(4 * logits, targets) == pytest.approx(4 * fit_temperature(logits, targets), rel=1e-6)


@pytest.mark.parametrize(("samples", "classes"), [(1, 2), (20, 4), (3000, 10)])
def test_of_a_perfect_part_the_confidence_follows_from_the_number_of_samples(samples, classes):
    """All margins alike, the confidence is the rate of the N samples and half a sample of any class."""
    targets = torch.arange(samples) % classes
    for scale in (1.0, 3.0):
        logits = scale * F.one_hot(targets, classes).float()
        confidence = (logits.double() / fit_temperature(logits, targets)).softmax(-1).amax(-1).mean().item()
        assert confidence == pytest.approx((samples + 0.5 / classes) / (samples + 0.5), rel=1e-6)


def test_one_sample_that_is_barely_wrong_does_not_make_the_others_certain():
    targets = torch.arange(144) % 4
    logits = 2.0 * F.one_hot(targets, 4).float() + torch.linspace(0, 3, 144).unsqueeze(1) * F.one_hot(targets, 4)
    logits[0] = torch.tensor([0.0, 1e-3, 0.0, 0.0])
    assert 0.3 < fit_temperature(logits, targets) < 1


def test_a_logit_that_is_no_number_is_refused():
    with pytest.raises(TrainingError, match="NaN or infinite"):
        fit_temperature(torch.tensor([[0.0, -torch.inf]]), torch.tensor([0]))


def test_the_bounds_are_kept_and_constant_logits_stay():
    targets = torch.arange(20) % 4
    assert fit_temperature(-F.one_hot(targets, 4).float(), targets) == HIGHEST  # worse than chance
    assert fit_temperature(1e-9 * F.one_hot(targets, 4).float(), targets) == LOWEST
    assert fit_temperature(torch.full((20, 4), 1e4), targets) == 1.0


def test_of_yes_no_labels_it_minimises_the_binary_cross_entropy():
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(300, 3, generator=generator)
    labels = torch.rand(300, 3, generator=generator) < (logits / 2.5).sigmoid()
    fitted = fit_temperature(*as_classes(logits, labels))

    def binary(temperature):
        return F.binary_cross_entropy_with_logits(logits.double() / temperature, labels.double()).item()

    pairs = as_classes(logits, labels)
    assert F.cross_entropy(pairs[0] / 1.7, pairs[1]).item() == pytest.approx(binary(1.7))
    assert fitted == pytest.approx(2.5, rel=0.2)
    assert binary(fitted) < min(binary(0.9 * fitted), binary(1.1 * fitted))
