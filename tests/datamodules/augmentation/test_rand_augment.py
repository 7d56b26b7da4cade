"""RandAugment and TrivialAugment agree with torchvision's, operation by operation and in distribution."""

import pytest
import torch
from torchvision.transforms import v2

from datamodules import RandAugment, TrivialAugment
from datamodules.augmentation.operations import MOVES, Drawn, apply_drawn
from datamodules.augmentation.rand_augment import RAND_AUGMENT, TRIVIAL_AUGMENT
from tests.datamodules.augmentation import torchvision_operations
from tests.datamodules.augmentation.agreement import assert_same_counts

UNSIGNED = {"Posterize": (0, 8), "Solarize": (0, 1)}
LARGEST = {"TranslateX": 8, "TranslateY": 8, "Rotate": 135}


def assert_agree(ours, theirs, share):
    assert ((ours - theirs).abs() > 1e-4).float().mean() <= share


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", RAND_AUGMENT)
def test_an_operation_agrees_with_torchvisions(images, name, channels, interpolation):
    images = images[:, :channels].clone()
    images[:10] *= 0.5
    images[0] = 0.2
    low, high = UNSIGNED.get(name, (-LARGEST.get(name, 0.97), LARGEST.get(name, 0.97)))
    strengths = torch.linspace(low, high, len(images))
    changed = apply_drawn(images, [name], Drawn(torch.zeros(len(images), dtype=torch.int64), strengths), interpolation)
    expected = [
        torchvision_operations.apply(image, name, strength, interpolation)
        for image, strength in zip(images, strengths.tolist(), strict=True)
    ]
    # The nearest of two pixels at the same distance is whichever rounding says; nothing else may differ.
    assert_agree(changed, torch.stack(expected), share=1e-3 if name in MOVES else 0)


@pytest.mark.parametrize(
    ("augmentation", "space"), [(RandAugment(3, 19), RAND_AUGMENT), (TrivialAugment(), TRIVIAL_AUGMENT)]
)
def test_each_image_goes_through_the_operations_drawn_for_it_in_order(images, augmentation, space):
    torch.manual_seed(0)
    drawn = augmentation.draw(images)
    steps = [drawn] if isinstance(drawn, Drawn) else drawn
    torch.manual_seed(0)
    augmented, names, expected = augmentation(images), list(space), []
    for number, image in enumerate(images):
        for step in steps:
            image = torchvision_operations.apply(image, names[step.chosen[number]], float(step.strengths[number]))
        expected.append(image)
    assert_agree(augmented, torch.stack(expected), share=1e-2)  # rounding decides between two bytes, too


@pytest.mark.parametrize(
    ("name", "augmentation", "space"),
    [("RandAugment", RandAugment(2, 20), RAND_AUGMENT), ("TrivialAugmentWide", TrivialAugment(11), TRIVIAL_AUGMENT)],
)
def test_operations_and_strengths_are_drawn_as_torchvision_draws_them(name, augmentation, space, monkeypatch):
    torch.manual_seed(0)
    options = {"magnitude": 20} if name == "RandAugment" else {"num_magnitude_bins": 11}
    image, transform = torch.empty(1, 30, 20, dtype=torch.uint8), getattr(v2, name)(**options)
    theirs = torchvision_operations.record(monkeypatch, name)
    for _ in range(5000):
        transform(image)
    drawn = augmentation.draw(image.expand(10_000, -1, -1, -1))
    ours = []
    for chosen, strengths in [drawn] if isinstance(drawn, Drawn) else drawn:
        pairs = zip(chosen.tolist(), strengths.tolist(), strict=True)
        ours += [torchvision_operations.comparable(list(space)[number], strength) for number, strength in pairs]
    assert_same_counts(ours, theirs)
