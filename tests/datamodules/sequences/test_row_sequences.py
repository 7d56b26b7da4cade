"""Images read row by row are the same images: their split, normalisation and augmentation too."""

import gzip

import numpy as np
import pytest
import torch

from datamodules import (
    Augmentation,
    DigitRows,
    Digits,
    FashionMNISTRows,
    InMemoryDataModule,
    MNISTRows,
    RowSequences,
    Samples,
)
from models import Classifier
from models.networks import Recurrent


class Colours(InMemoryDataModule):
    """Ten of either class, whose values tell where they lie."""

    class_names = ("a", "b")
    input_shape: tuple[int, ...] = (3, 2, 4)

    def load(self):
        inputs = (torch.arange(20 * 24) % 251).to(torch.uint8).view(20, 3, 2, 4)
        return Samples(inputs, torch.arange(20) % 2)


class ColourRows(RowSequences, Colours):
    input_shape = (2, 12)


def ready(data):
    data.setup()
    return data


def test_a_step_is_a_row_and_the_steps_go_down_the_image():
    rows, images = ready(DigitRows()), ready(Digits())
    raw = images.samples.inputs[:7]
    assert torch.equal(rows.samples.inputs[:7], raw)
    assert torch.equal(rows.transform(raw), images.transform(raw)[:, 0])
    assert rows.transform(raw).shape == (7, *rows.input_shape)


def test_a_step_of_a_colour_image_holds_the_row_of_every_channel():
    rows, images = ready(ColourRows()), ready(Colours())
    expected = images.transform(images.samples.inputs)
    found = rows.transform(rows.samples.inputs)
    assert found.shape == (20, *rows.input_shape)
    for row in range(2):
        assert torch.equal(found[:, row], torch.cat([expected[:, channel, row] for channel in range(3)], dim=1))


def test_rows_share_the_split_and_the_normalisation_of_the_images():
    rows, images = ready(DigitRows(split_seed=3)), ready(Digits(split_seed=3))
    assert rows.normalization == images.normalization
    assert len(rows.normalization.mean) == 1
    assert rows.manifest["parts"] == images.manifest["parts"]
    assert rows.manifest["source"]["name"] == "DigitRows"


def test_augmentations_are_given_images():
    seen = []

    class Watch(Augmentation):
        def forward(self, images):
            seen.append(tuple(images.shape))
            return images

    data = ready(DigitRows())
    data.transform(data.samples.inputs[:5], Watch())
    assert seen == [(5, 1, 8, 8)]


@pytest.mark.parametrize("data", [MNISTRows, FashionMNISTRows])
def test_idx_files_are_read_as_sequences_of_28_rows(data, tmp_path):
    generator = np.random.default_rng(0)
    for part, count in (("train", 200), ("t10k", 20)):
        images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(header + array.tobytes()))
    rows = data(data_dir=str(tmp_path), verify=False)
    rows.prepare_data()
    rows.setup()
    assert rows.transform(rows.samples.inputs[:3]).shape == (3, 28, 28)


def test_a_network_learns_digits_row_by_row(quiet_trainer):
    torch.manual_seed(0)
    data = DigitRows(batch_size=32)
    task = Classifier(Recurrent(data.input_shape, 10, "gru", 32), 10, optimizer=lambda p: torch.optim.Adam(p, 0.01))
    trainer = quiet_trainer(max_epochs=5, gradient_clip_val=1.0)
    trainer.fit(task, data)
    assert trainer.callback_metrics["val/accuracy"] > 0.85
