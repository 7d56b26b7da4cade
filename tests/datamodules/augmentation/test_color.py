"""Colour operations agree with torchvision's, pixel by pixel and in distribution."""

import pytest
import torch
from scipy import stats
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from datamodules import ColorJitter, RandomGrayscale
from datamodules.augmentation.color import ADJUSTMENTS, adjust_sharpness, jitter
from tests.datamodules.augmentation.agreement import ERROR_PROBABILITY, assert_same_counts, assert_same_distribution

TORCHVISION = {
    "brightness": tv.adjust_brightness,
    "contrast": tv.adjust_contrast,
    "saturation": tv.adjust_saturation,
    "hue": tv.adjust_hue,
    "sharpness": tv.adjust_sharpness,
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", TORCHVISION)
def test_an_adjustment_agrees_with_torchvisions(images, name, channels):
    images = images[:, :channels].clone()
    images[0], images[1], images[2, 0] = 0, 1, 0.5  # grey, black and white have no hue
    low, high = (-0.5, 0.5) if name == "hue" else (0, 2.5)
    factors = torch.linspace(low, high, len(images))
    adjusted = (ADJUSTMENTS | {"sharpness": adjust_sharpness})[name](images, factors)
    expected = [TORCHVISION[name](image, factor) for image, factor in zip(images, factors.tolist(), strict=True)]
    torch.testing.assert_close(adjusted, torch.stack(expected), atol=1e-5, rtol=0)


def test_jitter_agrees_with_torchvisions_in_every_order(images):
    torch.manual_seed(0)
    order, factors = ColorJitter(0.5, 0.5, 0.5, 0.2).draw(images)
    jittered = jitter(images, list(ADJUSTMENTS.values()), order, factors)
    names = list(ADJUSTMENTS)
    for image, after, numbers, given in zip(images, jittered, order.tolist(), factors.tolist(), strict=True):
        for number in numbers:
            image = TORCHVISION[names[number]](image, given[number])
        torch.testing.assert_close(after, image, atol=1e-4, rtol=0)


def test_jitter_is_drawn_as_torchvision_draws_it():
    torch.manual_seed(0)
    settings = {"brightness": 0.4, "contrast": (0.5, 3.0), "saturation": 1.5, "hue": 0.3}
    theirs = [v2.ColorJitter(**settings).make_params([]) for _ in range(3000)]
    order, factors = ColorJitter(**settings).draw(torch.empty(6000, 3, 1, 1))
    assert_same_counts(map(tuple, order.tolist()), [tuple(drawn["fn_idx"].tolist()) for drawn in theirs])
    for name, drawn in zip(settings, factors.unbind(1), strict=True):
        assert_same_distribution(drawn, [params[f"{name}_factor"] for params in theirs])


def test_what_is_off_is_left_out(images):
    torch.manual_seed(0)
    order, factors = ColorJitter(contrast=0.3).draw(images)
    assert order.shape == factors.shape == (50, 1)
    torch.manual_seed(0)
    expected = [tv.adjust_contrast(*pair) for pair in zip(images, factors[:, 0].tolist(), strict=True)]
    torch.testing.assert_close(ColorJitter(contrast=0.3)(images), torch.stack(expected), atol=1e-5, rtol=0)


def test_grey_agrees_with_torchvisions_and_is_as_frequent_as_the_probability_says(images):
    assert torch.equal(RandomGrayscale(1)(images), tv.rgb_to_grayscale(images, 3))
    torch.manual_seed(0)
    drawn = RandomGrayscale(0.3)(torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1).expand(10_000, 3, 1, 1))
    assert stats.binomtest(int((drawn[:, 0, 0, 0] < 1).sum()), 10_000, 0.3).pvalue > ERROR_PROBABILITY
