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


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_bit_of_contents_that_differ_by_one_pixel_is_set_half_of_the_time_independently(dtype):
    pair = torch.zeros(2, 1, 3, 3)
    pair[1, 0, 2, 2] = 1
    bits = torch.stack([content_bit(pair.to(dtype), seed) for seed in range(3000)]).long()
    assert all(stats.binomtest(int(count), 3000).pvalue > ERROR_PROBABILITY for count in bits.sum(0))
    table = (2 * bits[:, 0] + bits[:, 1]).bincount(minlength=4).view(2, 2)
    assert stats.chi2_contingency(table.numpy()).pvalue > ERROR_PROBABILITY


def test_a_bit_depends_on_a_samples_content_not_on_its_place():
    raw = torch.randint(256, (100, 3, 4, 4), dtype=torch.uint8)
    order = torch.randperm(100)
    assert torch.equal(content_bit(raw[order], 3), content_bit(raw, 3)[order])


class Sides(L.Callback):
    """Notes, by epoch, which way round each training image reached the network."""

    def __init__(self, data):
        self.data, self.seen = data, {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        side = self.seen.setdefault(trainer.current_epoch, {})
        for image in batch[0]:
            name = frozenset((image.numpy().tobytes(), image.flip(-1).numpy().tobytes()))
            side[name] = image.numpy().tobytes()


def test_an_image_is_mirrored_in_every_second_epoch_whatever_was_done_to_it_before(quiet_trainer):
    data = Digits(batch_size=500, augmentation=[HorizontalFlip(1), AlternatingFlip()], duplicates="drop")
    sides = Sides(data)
    trainer = quiet_trainer(max_epochs=4, callbacks=[sides])
    trainer.fit(Classifier(Linear(data.input_shape, data.num_classes), data.num_classes), data)
    first, second, third, fourth = sides.seen.values()
    assert first == third
    assert second == fourth
    assert all(first[name] != second[name] for name in first if len(name) == 2)
    upright = {image.numpy().tobytes() for image in data.transform(data.samples.inputs)}
    assert stats.binomtest(len(upright & set(first.values())), len(first)).pvalue > ERROR_PROBABILITY


def test_the_seed_decides_which_images_come_first(images):
    sides = []
    for seed in (0, 0, 1):
        flip = AlternatingFlip(seed)
        flip.observe(images, epoch=0)
        sides.append(flip(images))
    assert torch.equal(sides[0], sides[1])
    assert not torch.equal(sides[0], sides[2])


def test_an_alternating_flip_is_made_where_the_images_are(images):
    flip = AlternatingFlip()
    with torch.device("meta"):
        flip.observe(images, epoch=1)
        assert flip(images).device.type == "cpu"


def test_an_alternating_flip_that_is_not_told_the_epoch_says_so(images):
    with pytest.raises(DataError, match=r"AlternatingFlip: call observe\(inputs, epoch\)"):
        AlternatingFlip()(images)
