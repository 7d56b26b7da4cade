"""Crops agree with torchvision's, pixel by pixel and in distribution."""

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from datamodules import RandomResizedCrop
from datamodules.augmentation import crop_and_resize
from tests.datamodules.augmentation.agreement import assert_same_distribution


def test_a_crop_agrees_with_torchvisions(images):
    torch.manual_seed(0)
    crops = RandomResizedCrop((0.005, 1.0), (0.2, 5.0)).draw(images)
    cropped = crop_and_resize(images, crops)
    for before, after, *place in zip(images, cropped, *(side.int().tolist() for side in crops), strict=True):
        torch.testing.assert_close(after, tv.resized_crop(before, *place, size=[12, 10]), atol=1e-5, rtol=0)


def test_the_whole_image_stays_as_it_is():
    square = torch.rand(8, 3, 9, 9)
    assert torch.equal(RandomResizedCrop((1.0, 1.0), (1.0, 1.0))(square), square)


@pytest.mark.parametrize(
    ("size", "scale", "ratio"),
    [
        ((32, 32), (0.08, 1.0), (3 / 4, 4 / 3)),
        ((10, 40), (0.8, 1.0), (3 / 4, 4 / 3)),  # no attempt fits
        ((40, 16), (0.3, 0.9), (3 / 4, 4 / 3)),  # some do
        ((20, 24), (0.9, 1.0), (0.5, 2.0)),
    ],
)
def test_crops_are_drawn_as_torchvision_draws_them(size, scale, ratio):
    torch.manual_seed(0)
    transform, image = v2.RandomResizedCrop(size, scale, ratio), torch.empty(1, *size)
    theirs = [transform.make_params([image]) for _ in range(3000)]
    ours = RandomResizedCrop(scale, ratio).draw(image.expand(6000, -1, -1, -1))
    for name in ("top", "left", "height", "width"):
        assert_same_distribution(getattr(ours, name), [drawn[name] for drawn in theirs])
    assert_same_distribution(ours.height * ours.width, [drawn["height"] * drawn["width"] for drawn in theirs])
    assert_same_distribution(ours.height / ours.width, [drawn["height"] / drawn["width"] for drawn in theirs])
