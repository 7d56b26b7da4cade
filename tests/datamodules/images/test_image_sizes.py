"""Images of several sizes get one that is stated, and 16-bit images are scaled by what training holds."""

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import DataError, ImageFolder
from datamodules.images import image_headers
from models import Classifier
from models.networks import Linear
from tests.datamodules.images.test_image_folder import ready, write_images

LIMITS = pytest.mark.parametrize("limit", [4.0, 0.0])


def write_sizes(root, shorter, count=30, longer=200):
    """Write noise of which every image has one of some shorter sides, upright and wide in turn."""
    random = np.random.default_rng(0)
    for index in range(count):
        size = (shorter[index % len(shorter)], longer)[:: 1 if index % 2 else -1]
        path = root / "ab"[index % 2] / f"{index:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    return root


@pytest.mark.parametrize(
    ("shorter", "size"), [((90, 100, 110), 96), ((10, 12), 32), ((60, 70, 150), 64), ((150, 190, 198), 192)]
)
def test_several_sizes_become_the_median_of_the_shorter_sides(tmp_path, shorter, size):
    data = ready(write_sizes(tmp_path / "images", shorter))
    assert data.input_shape == (3, size, size)
    assert f"several sizes made {size}×{size}, the median shorter side: --data.size chooses another" in data.describe()
    assert data.preprocessing["size"] == [size, size]
    assert (data.manifest["images"]["height"], data.manifest["images"]["width"]) == (size, size)


def test_the_size_is_at_most_224_and_a_given_one_wins(tmp_path):
    root = write_sizes(tmp_path / "images", (700, 800), count=20, longer=900)
    assert ImageFolder(str(root)).input_shape == (3, 224, 224)
    assert "chooses another" not in ready(root, size=8).describe()


@LIMITS
def test_a_size_trains_without_being_asked_for(tmp_path, quiet_trainer, limit):
    root = write_sizes(tmp_path / "images", (30, 40))
    data = ImageFolder(str(root), memory_limit_gb=limit, num_workers=0, batch_size=8)
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(Classifier(Linear(data.input_shape, data.num_classes), data.num_classes), data)
    assert trainer.lightning_module.preprocessing.size == [32, 32]


@LIMITS
def test_images_of_one_size_keep_it(tmp_path, limit):
    data = ready(write_images(tmp_path / "images"), memory_limit_gb=limit, num_workers=0)
    assert data.input_shape == (3, 10, 12)
    assert data.preprocessing["size"] is None
    assert "chooses another" not in data.describe()


def test_the_training_folder_alone_decides(tmp_path):
    write_sizes(tmp_path / "train", (64,), count=40, longer=64)
    write_sizes(tmp_path / "test", (128,), count=30, longer=128)
    assert ready(tmp_path).samples.inputs.shape == (70, 3, 64, 64)
    Image.new("RGB", (100, 62)).save(tmp_path / "train/a/big.png")
    assert ready(tmp_path).input_shape == (3, 64, 64)


def test_few_headers_are_read_and_images_not_looked_at_are_made_to_fit(tmp_path, monkeypatch):
    seen = []
    original = image_headers._read
    monkeypatch.setattr(image_headers, "_read", lambda path: seen.append(path) or original(path))
    monkeypatch.setattr(image_headers, "MAX_READ", 10)
    root = write_images(tmp_path / "images")
    Image.new("RGB", (30, 13)).save(root / "c" / "059.png")
    data = ready(root)
    assert len(seen) <= 10
    assert data.samples.inputs.shape == (60, 3, 10, 12)


def test_rotated_images_count_upright(tmp_path):
    root, exif = write_images(tmp_path / "images", suffix="jpg"), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (10, 12)).save(root / "a" / "000.jpg", exif=exif)
    assert ImageFolder(str(root)).input_shape == (3, 10, 12)


def test_broken_files_decide_nothing(tmp_path):
    root = write_images(tmp_path / "images")
    (root / "a" / "000.png").write_bytes(b"")
    with pytest.warns(UserWarning, match="1 of 60 images cannot be read"):
        assert ready(root, broken="skip").input_shape == (3, 10, 12)
    for path in root.glob("*/*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"a/000\.png is not an image, nor is any other"):
        ImageFolder(str(root))


def test_a_model_is_not_tested_on_images_of_another_size(tmp_path):
    root = write_sizes(tmp_path / "images", (90, 100))
    with pytest.raises(DataError, match=r"were 96×96 in training, now they are 64×64; set data\.size"):
        ready(root, size=64).check_same_split(ready(root).manifest)


def write_deep(root, highest, kind="png", count=30):
    random = np.random.default_rng(0)
    for index in range(count):
        path = root / "ab"[index % 2] / f"{index:03}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = random.integers(0, highest + 1, (8, 8), dtype=np.uint16)
        values[0, 0] = highest
        Image.fromarray(values).save(path)
    return root


@LIMITS
@pytest.mark.parametrize("kind", ["png", "tif", "pgm"])
@pytest.mark.parametrize("highest", [255, 4095, 65535])
def test_16_bit_images_keep_their_levels_and_are_divided_by_their_largest(tmp_path, kind, highest, limit):
    root = write_deep(tmp_path / "images", highest, kind)
    data = ready(root, memory_limit_gb=limit, num_workers=0)
    for index, inputs in zip(data.split.val, next(iter(data.val_dataloader()))[0], strict=True):
        there = np.asarray(Image.open(data.listing.files[index].path))
        assert (inputs.numpy() == there).all()
    assert data.maximum == data.preprocessing["maximum"] == data.manifest["images"]["maximum"] == highest
    assert f"16 bits, divided by {highest:,}" in data.describe()


@LIMITS
def test_a_model_of_16_bit_images_takes_their_raw_values(tmp_path, quiet_trainer, limit):
    data = ImageFolder(str(write_deep(tmp_path / "images", 4095)), memory_limit_gb=limit, num_workers=0, batch_size=8)
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(Classifier(Linear(data.input_shape, data.num_classes), data.num_classes), data)
    model = trainer.lightning_module.eval()
    (predicted, *_) = trainer.predict(model, datamodule=data)
    raw = next(iter(data.test_dataloader()))[0]
    torch.testing.assert_close(model(raw).softmax(-1), predicted)


def test_the_test_part_does_not_set_the_scale(tmp_path):
    write_deep(tmp_path / "train", 1000)
    write_deep(tmp_path / "test", 9000)
    assert ready(tmp_path).maximum == 1000


def test_8_bit_images_among_deep_ones_have_the_same_range(tmp_path):
    root = write_deep(tmp_path / "images", 65535)
    Image.new("L", (8, 8), 128).save(root / "a" / "000.png")
    assert ready(root).samples.inputs[0].unique().tolist() == [128 * 257]


@LIMITS
@pytest.mark.parametrize("value", [0, 77])
def test_training_images_that_are_all_equal_are_refused(tmp_path, limit, value):
    for index in range(30):
        path = tmp_path / "images" / "ab"[index % 2] / f"{index:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), value).save(path)
    with pytest.raises(DataError, match=rf"all \d+ training samples are equal \(all values are {value}\)"):
        ready(tmp_path / "images", memory_limit_gb=limit, num_workers=0)
