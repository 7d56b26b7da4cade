"""Images are mirrored one by one: by chance as often as told, or in every second epoch of training."""

import lightning as L
import pytest
import torch
from scipy import stats

from datamodules import AlternatingFlip, DataError, Digits, HorizontalFlip
from datamodules.augmentation import flip_horizontally
from datamodules.augmentation.flip import content_bit
from models import Classifier
from models.networks import Linear
from tests.datamodules.augmentation.agreement import ERROR_PROBABILITY


def test_the_chosen_images_are_mirrored_and_no_others(images):
    chosen = torch.arange(50) % 3 == 0
    for before, after, flipped in zip(images, flip_horizontally(images, chosen), chosen, strict=True):
        assert (after.numpy() == (before.numpy()[:, :, ::-1] if flipped else before.numpy())).all()


def test_a_flip_of_probability_one_flips_all(images):
    assert torch.equal(HorizontalFlip(1)(images), images.flip(-1))


def test_images_are_flipped_as_often_as_the_probability_says():
    torch.manual_seed(0)
    images = torch.tensor([0.0, 1.0]).expand(20_000, 1, 1, 2)
    flipped = int((HorizontalFlip(0.3)(images)[:, 0, 0, 0] == 1).sum())
    assert stats.binomtest(flipped, 20_000, 0.3).pvalue > ERROR_PROBABILITY


def test_the_bits_of_images_that_differ_by_one_level_of_one_pixel_are_independent_and_set_half_of_the_time():
    pair = torch.zeros(2, 1, 3, 3)
    pair[1, 0, 2, 2] = 1 / 255
    bits = torch.stack([content_bit(pair, seed) for seed in range(3000)]).long()
    assert all(stats.binomtest(int(count), 3000).pvalue > ERROR_PROBABILITY for count in bits.sum(0))
    table = (2 * bits[:, 0] + bits[:, 1]).bincount(minlength=4).view(2, 2)
    assert stats.chi2_contingency(table.numpy()).pvalue > ERROR_PROBABILITY


def test_a_bit_depends_on_an_images_content_not_on_its_place():
    images = torch.randint(256, (100, 3, 4, 4)) / 255
    order = torch.randperm(100)
    assert torch.equal(content_bit(images[order], 3), content_bit(images, 3)[order])


def test_which_images_come_first_is_what_it_has_always_been():
    """Runs of recipes with this augmentation stay comparable."""
    images = torch.arange(64 * 12, dtype=torch.uint8).view(64, 3, 2, 2) / 255
    assert content_bit(images, 0).nonzero().flatten().tolist() == [*range(4), *range(21, 26), *range(43, 47)]


class Sides(L.Callback):
    """Notes, by epoch, which way round each training image reached the network."""

    def __init__(self, data):
        self.data, self.seen = data, {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        side = self.seen.setdefault(trainer.current_epoch, {})
        for image in batch[0]:
            name = frozenset((image.numpy().tobytes(), image.flip(-1).numpy().tobytes()))
            side[name] = image.numpy().tobytes()


def test_an_image_is_mirrored_in_every_second_epoch_of_a_run(quiet_trainer):
    data = Digits(batch_size=500, augmentation=[AlternatingFlip()])
    sides = Sides(data)
    trainer = quiet_trainer(max_epochs=4, callbacks=[sides])
    trainer.fit(Classifier(Linear(data.input_shape, data.num_classes), data.num_classes), data)
    first, second, third, fourth = sides.seen.values()
    assert first == third
    assert second == fourth
    assert all(first[name] != second[name] for name in first if len(name) == 2)
    upright = {image.numpy().tobytes() for image in data.samples.inputs / 16}
    assert stats.binomtest(len(upright & set(first.values())), len(first)).pvalue > ERROR_PROBABILITY


def test_the_seed_decides_which_images_come_first(images):
    sides = [AlternatingFlip(seed)(images) for seed in (0, 0, 1)]
    assert torch.equal(sides[0], sides[1])
    assert not torch.equal(sides[0], sides[2])


def test_an_alternating_flip_is_made_where_the_images_are(images):
    with torch.device("meta"):
        assert AlternatingFlip()(images).device.type == "cpu"


def test_an_alternating_flip_after_another_augmentation_is_refused():
    with pytest.raises(DataError, match="augmentation: AlternatingFlip must come first"):
        Digits(augmentation=[HorizontalFlip(), AlternatingFlip()])
