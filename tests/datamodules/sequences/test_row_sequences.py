"""Images read row by row are the same images: their split, normalisation and augmentation too."""

import gzip

import numpy as np
import pytest
import torch

from datamodules import (
    DataModule,
    DigitRows,
    Digits,
    FashionMNISTRows,
    MNISTRows,
    RowSequences,
    Samples,
    SplitOptions,
)
from models import Classifier
from models.networks import Recurrent


class Colours(DataModule):
    """Ten of either class, whose values tell where they lie."""

    class_names = ("a", "b")
    input_shape: tuple[int, ...] = (3, 2, 4)

    def load(self):
        inputs = (torch.arange(20 * 24) % 251).to(torch.uint8).view(20, 3, 2, 4)
        return Samples(inputs, torch.arange(20) % 2)


class ColourRows(RowSequences, Colours):
    input_shape = (2, 12)


def batches(data):
    return [data.on_after_batch_transfer(batch, 0) for batch in data.val_dataloader()]


def ready(data):
    data.setup()
    return data


@pytest.mark.parametrize(("rows", "images"), [(DigitRows, Digits), (ColourRows, Colours)])
def test_batches_are_those_of_the_images_and_the_task_is_told_to_read_rows(rows, images):
    rows, images = rows(), images()
    for (inputs, targets), (expected, labels) in zip(batches(rows), batches(images), strict=True):
        assert torch.equal(inputs, expected)
        assert torch.equal(targets, labels)
    assert rows.preprocessing == images.preprocessing | {"rows": True}
    channels, height, width = images.input_shape
    assert rows.input_shape == (height, channels * width)


def test_rows_share_the_split_and_the_normalisation_of_the_images():
    rows, images = ready(DigitRows(split=SplitOptions(seed=3))), ready(Digits(split=SplitOptions(seed=3)))
    assert rows.normalization == images.normalization
    assert len(rows.normalization.mean) == 1
    assert rows.manifest["parts"] == images.manifest["parts"]
    assert rows.manifest["source"]["name"] == "DigitRows"


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
    assert (rows.samples.inputs.shape[1:], rows.input_shape) == ((1, 28, 28), (28, 28))


def test_a_network_learns_digits_row_by_row(quiet_trainer):
    torch.manual_seed(0)
    data = DigitRows(batch_size=32)
    task = Classifier(Recurrent(data.input_shape, 10, "gru", 32), 10, optimizer=lambda p: torch.optim.Adam(p, 0.01))
    trainer = quiet_trainer(max_epochs=5, gradient_clip_val=1.0)
    trainer.fit(task, data)
    assert trainer.callback_metrics["val/accuracy"] > 0.85
