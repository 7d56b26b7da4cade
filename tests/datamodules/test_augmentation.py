"""Augmentation agrees with a reference sample by sample and draws afresh for each."""

import pytest
import torch
from scipy import ndimage, stats

from datamodules import DataError, HorizontalFlip, RandomTranslate
from datamodules.augmentation import flip_horizontally, translate

ERROR_PROBABILITY = 1e-6  # that a statistical test below fails by chance, were the seed not fixed
SCIPY_MODES = {"constant": "constant", "reflect": "mirror", "replicate": "nearest"}


@pytest.fixture
def images():
    return torch.rand(50, 3, 8, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=[HorizontalFlip(), *(RandomTranslate(2, mode) for mode in SCIPY_MODES)], ids=str)
def augmentation(request):
    return request.param


def test_the_chosen_images_are_mirrored_and_no_others(images):
    chosen = torch.arange(50) % 3 == 0
    for before, after, flipped in zip(images, flip_horizontally(images, chosen), chosen, strict=True):
        assert (after.numpy() == (before.numpy()[:, :, ::-1] if flipped else before.numpy())).all()


@pytest.mark.parametrize("mode", SCIPY_MODES)
@pytest.mark.parametrize("padding", [1, 3])
def test_translation_agrees_with_scipys_for_every_shift(images, mode, padding):
    shifts = torch.cartesian_prod(*[torch.arange(-padding, padding + 1)] * 2)[:50]
    chosen = images[: len(shifts)]
    moved = translate(chosen, shifts[:, 0], shifts[:, 1], padding, mode)
    for before, after, shift in zip(chosen, moved, shifts.tolist(), strict=True):
        expected = ndimage.shift(before.numpy(), (0, *shift), order=0, mode=SCIPY_MODES[mode])
        assert (after.numpy() == expected).all()


def test_each_sample_has_a_draw_of_its_own(augmentation, images):
    torch.manual_seed(0)
    same = images[:1].expand(200, -1, -1, -1)
    assert len(augmentation(same).unique(dim=0)) == (2 if isinstance(augmentation, HorizontalFlip) else 25)


def test_the_channels_of_a_sample_move_together(augmentation):
    torch.manual_seed(0)
    grey = torch.rand(64, 1, 8, 6).expand(-1, 3, -1, -1)
    moved = augmentation(grey)
    assert torch.equal(moved[:, 0], moved[:, 1])
    assert torch.equal(moved[:, 0], moved[:, 2])


def test_the_images_given_are_left_as_they_are(augmentation, images):
    before = images.clone()
    augmentation(images).zero_()
    assert torch.equal(images, before)


def test_torchs_seed_decides_the_draws(augmentation, images):
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(augmentation(images))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_shape_and_type_are_kept_even_of_an_empty_batch(augmentation, images):
    for given in (images, images[:1], images[:0], images.bfloat16()):
        augmented = augmentation(given)
        assert augmented.shape == given.shape
        assert augmented.dtype == given.dtype


def test_a_flip_of_probability_zero_is_the_identity_and_of_one_flips_all(images):
    assert torch.equal(HorizontalFlip(0)(images), images)
    assert torch.equal(HorizontalFlip(1)(images), images.flip(-1))


def test_images_are_flipped_as_often_as_the_probability_says():
    torch.manual_seed(0)
    images = torch.tensor([0.0, 1.0]).expand(20_000, 1, 1, 2)
    flipped = int((HorizontalFlip(0.3)(images)[:, 0, 0, 0] == 1).sum())
    assert stats.binomtest(flipped, 20_000, 0.3).pvalue > ERROR_PROBABILITY


def test_every_shift_is_equally_likely():
    torch.manual_seed(0)
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 2, 2] = 1
    moved = RandomTranslate(2)(image.expand(25_000, -1, -1, -1))
    assert stats.chisquare(moved.sum(dim=(0, 1)).flatten().numpy()).pvalue > ERROR_PROBABILITY


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_a_flip_probability_out_of_range_is_refused(probability):
    with pytest.raises(DataError, match="HorizontalFlip: probability"):
        HorizontalFlip(probability)


def test_a_translation_by_nothing_is_refused():
    with pytest.raises(DataError, match="RandomTranslate: padding 0"):
        RandomTranslate(0)


@pytest.mark.parametrize("augmentation", [HorizontalFlip(), RandomTranslate(2)])
def test_rows_of_a_table_are_refused_by_name(augmentation):
    with pytest.raises(DataError, match=f"{type(augmentation).__name__} takes images"):
        augmentation(torch.rand(4, 30))


def test_more_than_an_image_holds_cannot_be_reflected():
    with pytest.raises(DataError, match="padding 8 reflects more"):
        RandomTranslate(8, mode="reflect")(torch.rand(2, 1, 8, 8))
