"""Shifts agree with scipy's, sample by sample, and are all equally likely."""

import pytest
import torch
from scipy import ndimage, stats

from datamodules import DataError, RandomTranslate
from datamodules.augmentation import translate
from tests.datamodules.augmentation.agreement import ERROR_PROBABILITY

SCIPY_MODES = {"constant": "constant", "reflect": "mirror", "replicate": "nearest"}


@pytest.mark.parametrize("mode", SCIPY_MODES)
@pytest.mark.parametrize("padding", [1, 3])
def test_translation_agrees_with_scipys_for_every_shift(images, mode, padding):
    shifts = torch.cartesian_prod(*[torch.arange(-padding, padding + 1)] * 2)[:50]
    chosen = images[: len(shifts)]
    moved = translate(chosen, *shifts.unbind(1), padding, mode)
    for before, after, shift in zip(chosen, moved, shifts.tolist(), strict=True):
        expected = ndimage.shift(before.numpy(), (0, *shift), order=0, mode=SCIPY_MODES[mode])
        assert (after.numpy() == expected).all()


@pytest.mark.parametrize("mode", SCIPY_MODES)
def test_each_sample_has_a_draw_of_its_own(images, mode):
    torch.manual_seed(0)
    assert len(RandomTranslate(2, mode)(images[:1].expand(200, -1, -1, -1)).unique(dim=0)) == 25


def test_every_shift_is_equally_likely():
    torch.manual_seed(0)
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 2, 2] = 1
    moved = RandomTranslate(2)(image.expand(25_000, -1, -1, -1))
    assert stats.chisquare(moved.sum(dim=(0, 1)).flatten().numpy()).pvalue > ERROR_PROBABILITY


def test_more_than_an_image_holds_cannot_be_reflected():
    with pytest.raises(DataError, match="padding 8 cannot be reflected"):
        RandomTranslate(8, mode="reflect")(torch.rand(2, 1, 8, 8))


def test_bfloat16_stays_bfloat16(images):
    assert RandomTranslate(2)(images.bfloat16()).dtype == torch.bfloat16
