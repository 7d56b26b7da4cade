"""What every augmentation promises: images in, others out, a draw a sample, nothing touched that was given."""

from typing import get_args

import pytest
import torch

from datamodules import (
    AlternatingFlip,
    AugMix,
    ColorJitter,
    DataError,
    HorizontalFlip,
    RandAugment,
    RandomAffine,
    RandomErasing,
    RandomGrayscale,
    RandomResizedCrop,
    RandomRotation,
    RandomTranslate,
    TrivialAugment,
)
from datamodules.augmentation.translate import PaddingMode

MOVING = [
    HorizontalFlip(),
    RandomTranslate(2),
    RandomTranslate(2, "reflect"),
    RandomResizedCrop(),
    RandomErasing(0.7),
    RandomErasing(value="random"),
    RandomRotation(30, "bilinear"),
    RandomAffine(30, (0.1, 0.2), (0.5, 1.5), 20, 10),
]
COLORING = [
    ColorJitter(0.5, 0.5, 0.5, 0.3),
    RandomGrayscale(0.5),
    RandAugment(),
    RandAugment(3, 30, interpolation="bilinear"),
    TrivialAugment(),
    AugMix(),
    AugMix(10, all_ops=False),
]
OFF = [
    HorizontalFlip(0),
    RandomErasing(0),
    RandomRotation(0),
    RandomAffine(0),
    ColorJitter(),
    RandomGrayscale(0),
    RandAugment(num_ops=0),
]
OF_BYTES = [HorizontalFlip(), AlternatingFlip(3), *(RandomTranslate(2, mode) for mode in get_args(PaddingMode))]
every = pytest.mark.parametrize("augmentation", MOVING + COLORING, ids=str)
coloring = pytest.mark.parametrize("augmentation", COLORING, ids=str)


@every
def test_the_images_given_are_left_as_they_are(augmentation, images):
    before = images.clone()
    augmentation(images).zero_()
    assert torch.equal(images, before)


def test_those_that_move_bytes_are_tried():
    assert {type(item) for item in [*MOVING, *COLORING] if item.moves_pixels} <= {type(item) for item in OF_BYTES}


@pytest.mark.parametrize("augmentation", OF_BYTES, ids=str)
def test_bytes_are_moved_as_floats_are(augmentation, images):
    given = torch.cat((images, images[:1].clone())) * 255
    for some in (given, given[:1], given[:0], given.contiguous(memory_format=torch.channels_last)):
        results = []
        for kind in (torch.uint8, torch.float32):
            torch.manual_seed(0)
            results.append(augmentation(some.round().to(kind) if kind == torch.uint8 else some.round() / 255))
        assert results[0].dtype == torch.uint8
        assert torch.equal(results[0] / 255, results[1])


@every
def test_torchs_seed_decides_the_draws(augmentation, images):
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(augmentation(images))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@every
def test_shape_and_range_are_kept_even_of_an_empty_batch_and_of_grey_images(augmentation, images):
    for given in (images, images[:1], images[:0], images[:, :1]):
        augmented = augmentation(given)
        assert augmented.shape == given.shape
        assert augmented.dtype == given.dtype
        assert ((augmented >= 0) & (augmented <= 1)).all()


@every
def test_nothing_is_made_on_another_device(augmentation, images):
    with torch.device("meta"):  # where whatever is not told its device would be, and could not be mixed with images
        assert augmentation(images).device.type == "cpu"


@every
def test_each_sample_has_a_draw_of_its_own(augmentation, images):
    torch.manual_seed(0)
    assert len(augmentation(images[:1].expand(64, -1, -1, -1)).unique(dim=0)) > 1


@pytest.mark.parametrize("augmentation", [each for each in MOVING + COLORING if getattr(each, "values", True)], ids=str)
def test_a_grey_image_in_three_channels_stays_grey(augmentation, images):
    torch.manual_seed(0)
    augmented = augmentation(images[:, :1].expand(-1, 3, -1, -1))
    torch.testing.assert_close(augmented[:, :1].expand_as(augmented), augmented)


@every
def test_rows_of_a_table_are_refused_by_name(augmentation):
    with pytest.raises(DataError, match=f"{type(augmentation).__name__} takes images"):
        augmentation(torch.rand(4, 30))


@coloring
def test_colours_of_two_channels_are_refused_by_name(augmentation, images):
    with pytest.raises(DataError, match=rf"{type(augmentation).__name__}: takes images of 1 or 3 channels .* not 2"):
        augmentation(images[:, :2])


@pytest.mark.parametrize("augmentation", OFF, ids=str)
def test_off_is_the_identity_and_draws_nothing(augmentation, images):
    before = torch.get_rng_state()
    assert augmentation(images) is images
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: HorizontalFlip(-0.1), r"HorizontalFlip: probability -0.1 is not in \[0, 1\]"),
        (lambda: HorizontalFlip(float("nan")), "HorizontalFlip: probability nan"),
        (lambda: RandomTranslate(0), "RandomTranslate: padding 0 is less than 1"),
        (lambda: RandomTranslate(2, "wrap"), "RandomTranslate: mode 'wrap' is not one of constant, reflect, replicate"),
        (lambda: RandomResizedCrop((0.5, 1.5)), r"RandomResizedCrop: scale \[0.5, 1.5\] is not two .* up to 1"),
        (lambda: RandomResizedCrop((0.0, 1.0)), r"RandomResizedCrop: scale \[0.0, 1.0\] is not two numbers above 0"),
        (lambda: RandomResizedCrop(ratio=(2.0, 1.0)), r"RandomResizedCrop: ratio \[2.0, 1.0\] is not two"),
        (lambda: RandomResizedCrop(ratio=(0.0, 1.0)), r"RandomResizedCrop: ratio \[0.0, 1.0\] is not two .* above 0"),
        (lambda: RandomErasing(2), r"RandomErasing: probability 2 is not in \[0, 1\]"),
        (lambda: RandomErasing(scale=(0.5, 0.1)), r"RandomErasing: scale \[0.5, 0.1\] is not two"),
        (lambda: RandomErasing(ratio=(1.0, float("inf"))), r"RandomErasing: ratio \[1.0, inf\] is not two .* above 0"),
        (lambda: RandomErasing(value=255), r"RandomErasing: value 255 is not in \[0, 1\]"),
        (lambda: RandomErasing(value="noise"), "RandomErasing: value 'noise' is not one of random"),
        (lambda: RandomRotation(-5), r"RandomRotation: degrees -5 is not in \[0, 360\]"),
        (lambda: RandomRotation((30, 10)), r"RandomRotation: degrees \[30, 10\] is not two"),
        (
            lambda: RandomRotation(5, "bicubic"),
            "RandomRotation: interpolation 'bicubic' is not one of nearest",
        ),
        (lambda: RandomAffine(5, (0.1, 4.0)), r"RandomAffine: translate \[0.1, 4.0\] is not two numbers in \[0, 1\]"),
        (lambda: RandomAffine(5, scale=(0.0, 1.0)), r"RandomAffine: scale \[0.0, 1.0\] is not two .* above 0"),
        (lambda: RandomAffine(5, shear=90), r"RandomAffine: shear 90 is not in \[0, 89\]"),
        (lambda: RandomAffine(5, shear_y=(-95, 0)), r"RandomAffine: shear_y \[-95, 0\] is not two .* from -89 to 89"),
        (lambda: ColorJitter(brightness=-1), r"ColorJitter: brightness -1 is not in"),
        (lambda: ColorJitter(contrast=(-1, 1)), r"ColorJitter: contrast \[-1, 1\] is not two"),
        (lambda: ColorJitter(saturation=float("nan")), r"ColorJitter: saturation nan is not in"),
        (lambda: ColorJitter(hue=0.6), r"ColorJitter: hue 0.6 is not in \[0, 0.5\]"),
        (lambda: RandomGrayscale(1.1), r"RandomGrayscale: probability 1.1 is not in \[0, 1\]"),
        (lambda: RandAugment(-1), "RandAugment: num_ops -1 is less than 0"),
        (lambda: RandAugment(magnitude=31), r"RandAugment: magnitude 31 is not in \[0, 30\]"),
        (lambda: RandAugment(num_magnitude_bins=1), "RandAugment: num_magnitude_bins 1 is less than 2"),
        (lambda: TrivialAugment(1), "TrivialAugment: num_magnitude_bins 1 is less than 2"),
        (lambda: AugMix(11), r"AugMix: severity 11 is not in \[1, 10\]"),
        (lambda: AugMix(mixture_width=0), "AugMix: mixture_width 0 is less than 1"),
        (lambda: AugMix(chain_depth=0), "AugMix: chain_depth 0 is less than 1"),
        (lambda: AugMix(alpha=0), "AugMix: alpha 0 is not a number above 0"),
    ],
)
def test_a_wrong_setting_is_refused_when_it_is_made(build, said):
    with pytest.raises(ValueError, match=said):
        build()
