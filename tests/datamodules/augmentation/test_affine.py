"""Affine maps agree with torchvision's, pixel by pixel and in distribution."""

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from datamodules import RandomAffine, RandomRotation
from datamodules.augmentation import affine, rotate
from tests.datamodules.augmentation.agreement import assert_same_distribution


def assert_agree(ours, theirs, interpolation):
    """Compare pixels; the nearest one of a place halfway between two is whichever rounding says."""
    if interpolation == "bilinear":
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    else:
        assert (ours != theirs).float().mean() < 1e-3


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_an_affine_map_agrees_with_torchvisions(images, interpolation):
    torch.manual_seed(0)
    draws = RandomAffine(180, (0.3, 0.2), (0.4, 2.5), 40, 30).draw(images)
    expected = [
        tv.affine(image, angle, shift, scale, shear, InterpolationMode(interpolation))
        for image, angle, shift, scale, shear in zip(images, *(drawn.tolist() for drawn in draws), strict=True)
    ]
    assert_agree(affine(images, *draws, interpolation), torch.stack(expected), interpolation)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_a_rotation_agrees_with_torchvisions(images, interpolation):
    angles = torch.linspace(-200, 200, len(images))
    angles[:4] = torch.tensor([0, 90, 180, -90])
    expected = [
        tv.rotate(image, angle, InterpolationMode(interpolation))
        for image, angle in zip(images[..., :10, :], angles.tolist(), strict=True)
    ]
    assert_agree(rotate(images[..., :10, :], angles, interpolation), torch.stack(expected), interpolation)


def test_angles_are_drawn_as_torchvision_draws_them():
    torch.manual_seed(0)
    image = torch.empty(1, 8, 8)
    for degrees in (20, (-5, 90)):
        transform = v2.RandomRotation(degrees)
        theirs = [transform.make_params([image])["angle"] for _ in range(3000)]
        assert_same_distribution(RandomRotation(degrees).draw(image.expand(6000, -1, -1, -1)), theirs)


def test_affine_maps_are_drawn_as_torchvision_draws_them():
    torch.manual_seed(0)
    image = torch.empty(1, 20, 30)
    transform = v2.RandomAffine((-10, 30), (0.1, 0.3), (0.5, 2.0), (-5, 15, 0, 20))
    theirs = [transform.make_params([image]) for _ in range(3000)]
    augmentation = RandomAffine((-10, 30), (0.1, 0.3), (0.5, 2.0), (-5, 15), (0, 20))
    angle, shift, scale, shear = augmentation.draw(image.expand(6000, -1, -1, -1))
    assert_same_distribution(angle, [drawn["angle"] for drawn in theirs])
    assert_same_distribution(scale, [drawn["scale"] for drawn in theirs])
    for axis in (0, 1):
        assert_same_distribution(shift[:, axis], [drawn["translate"][axis] for drawn in theirs])
        assert_same_distribution(shear[:, axis], [drawn["shear"][axis] for drawn in theirs])
