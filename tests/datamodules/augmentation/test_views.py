"""Test-time augmentation shows the views that it says."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from datamodules import DataError
from datamodules.augmentation import FlipViews, ShiftViews


def airbench_level_2(images, network):
    """Average as in airbench's own code, `infer_mirror_translate` (arXiv 2404.00498)."""

    def infer_mirror(images):
        return 0.5 * network(images) + 0.5 * network(images.flip(-1))

    padded = F.pad(images, (1,) * 4, "reflect")
    size = images.shape[-1]
    shifted = [padded[:, :, :size, :size], padded[:, :, 2 : size + 2, 2 : size + 2]]
    mean = torch.stack([infer_mirror(images) for images in shifted]).mean(0)
    return 0.5 * infer_mirror(images) + 0.5 * mean


def averaged(views, images, network):
    return torch.stack([weight * network(view) for weight, view in views.of(images)]).sum(0)


def test_shifts_are_airbenchs():
    torch.manual_seed(0)
    network, images = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5), nn.Tanh()), torch.rand(4, 3, 8, 8)
    torch.testing.assert_close(averaged(ShiftViews(), images, network), airbench_level_2(images, network))


@pytest.mark.parametrize("views", [FlipViews(), ShiftViews(2), ShiftViews(1, flip=False)])
def test_weights_add_up_to_1_and_the_image_itself_is_a_view(views):
    images = torch.rand(2, 1, 6, 7)
    seen = views.of(images)
    assert sum(weight for weight, _ in seen) == pytest.approx(1)
    assert torch.equal(seen[0][1], images)
    assert all(view.shape == images.shape for _, view in seen)
    assert f"{len(seen)} views" in views.description
    assert views.description.startswith(type(views).__name__)


def test_the_mirror_image_is_left_to_right():
    images = torch.arange(6.0).reshape(1, 1, 2, 3)
    assert FlipViews().of(images)[1][1].flatten().tolist() == [2, 1, 0, 5, 4, 3]


def test_what_is_no_image_or_too_small_is_refused():
    for inputs, said in (
        (torch.rand(5, 30), r"samples \(30,\)"),
        ((torch.rand(1, 2, 3), torch.tensor([2])), "sequences"),
    ):
        with pytest.raises(DataError, match=f"test_time_augmentation: FlipViews takes images, not {said}"):
            FlipViews().check_images(inputs)
    with pytest.raises(DataError, match="pixels 8 is too much"):
        ShiftViews(8).of(torch.rand(1, 1, 8, 8))
    with pytest.raises(ValueError, match="ShiftViews: pixels 0 is less than 1"):
        ShiftViews(0)
