"""Erased rectangles agree with torchvision's, pixel by pixel and in distribution."""

import pytest
import torch
from scipy import stats
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from datamodules import DataError, RandomErasing
from datamodules.augmentation import erase
from tests.datamodules.augmentation.agreement import ERROR_PROBABILITY, assert_same_distribution


@pytest.mark.parametrize("values", [[0.0], [0.1, 0.2, 0.3]])
def test_an_erased_rectangle_agrees_with_torchvisions(images, values):
    torch.manual_seed(0)
    areas, values = RandomErasing(0.8).draw(images), torch.tensor(values).view(-1, 1, 1)
    erased = erase(images, areas, values)
    for before, after, *place in zip(images, erased, *(side.int().tolist() for side in areas), strict=True):
        assert torch.equal(after, tv.erase(before, *place, values))


@pytest.mark.parametrize(
    ("scale", "ratio"), [((0.02, 0.33), (0.3, 3.3)), ((0.6, 1.0), (0.3, 3.3)), ((0.001, 0.01), (0.5, 8.0))]
)
def test_rectangles_are_drawn_as_torchvision_draws_them(scale, ratio):
    torch.manual_seed(0)
    transform, image = v2.RandomErasing(1.0, scale, ratio), torch.empty(1, 20, 24)
    params = [transform.make_params([image]) for _ in range(3000)]
    theirs = [drawn for drawn in params if drawn["v"] is not None and drawn["h"] * drawn["w"]]
    ours = RandomErasing(1, scale, ratio).draw(image.expand(6000, -1, -1, -1))
    erased = ours.height * ours.width > 0
    assert_same_distribution(erased, [drawn["v"] is not None and drawn["h"] * drawn["w"] > 0 for drawn in params])
    for name, drawn in zip("ijhw", ours, strict=True):
        assert_same_distribution(drawn[erased], [each[name] for each in theirs])
    assert_same_distribution((ours.height / ours.width)[erased], [each["h"] / each["w"] for each in theirs])


def test_images_are_erased_as_often_as_the_probability_says():
    torch.manual_seed(0)
    erased = RandomErasing(0.3, scale=(0.2, 0.2), ratio=(1.0, 1.0))(torch.ones(10_000, 1, 8, 8))
    assert stats.binomtest(int((erased.amin((1, 2, 3)) == 0).sum()), 10_000, 0.3).pvalue > ERROR_PROBABILITY


def test_random_values_are_noise_uniform_in_zero_to_one():
    torch.manual_seed(0)
    erased = RandomErasing(1, scale=(0.5, 0.5), ratio=(1.0, 1.0), value="random")(torch.full((100, 3, 16, 16), 2.0))
    assert stats.kstest(erased[erased != 2], "uniform").pvalue > ERROR_PROBABILITY


def test_no_value_at_all_is_refused():
    with pytest.raises(ValueError, match="RandomErasing: value is an empty list"):
        RandomErasing(value=[])


def test_two_values_for_three_channels_are_refused(images):
    with pytest.raises(DataError, match="RandomErasing: value has 2 numbers for images of 3 channels"):
        RandomErasing(value=[0.1, 0.2])(images)
