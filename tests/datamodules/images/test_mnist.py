"""MNIST from IDX files: both folders, packed or not; every kind of damage is refused by the file's name."""

import gzip
import shutil
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision.datasets import mnist as torchvision_mnist

from datamodules import MNIST, DataError, FashionMNIST, SplitOptions
from datamodules.images.mnist import FILES, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS

PUBLISHED = Path(__file__).parents[3] / "data" / "MNIST" / "raw"


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    return header + array.astype(np.uint8).tobytes()


def small_dataset():
    random = np.random.default_rng(0)
    return {
        TRAIN_IMAGES: random.integers(0, 256, (100, 28, 28)),
        TRAIN_LABELS: np.arange(100) % 10,
        TEST_IMAGES: random.integers(0, 256, (40, 28, 28)),
        TEST_LABELS: np.arange(40) % 10,
    }


@pytest.fixture
def folder(tmp_path):
    for name, array in small_dataset().items():
        (tmp_path / name).write_bytes(idx(array))
    return tmp_path


def ready(data):
    data.prepare_data()
    data.setup()
    return data


def own(folder, kind=MNIST):
    return ready(kind(str(folder), verify=False))


def pack(folder):
    for name in FILES:
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
        (folder / name).unlink()


def assert_small_dataset(data):
    expected = small_dataset()
    images = np.concatenate([expected[TRAIN_IMAGES], expected[TEST_IMAGES]])
    assert (data.samples.inputs.squeeze(1).numpy() == images).all()
    assert (data.samples.targets.numpy() == np.concatenate([expected[TRAIN_LABELS], expected[TEST_LABELS]])).all()
    assert (data.split.test == np.arange(100, 140)).all()
    assert len(data.split.train) + len(data.split.val) == 100


def test_files_are_read_and_the_official_test_part_is_the_test_part(folder):
    data = own(folder)
    assert_small_dataset(data)
    assert data.samples.inputs.dtype == torch.uint8
    assert data.samples.targets.dtype == torch.int64
    assert "official test part" in data.describe()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", [MNIST, FashionMNIST])
def test_files_are_found_where_torchvision_puts_them(folder, packed, kind):
    raw = folder / "elsewhere" / kind.__name__ / "raw"
    raw.mkdir(parents=True)
    for name in FILES:
        shutil.move(folder / name, raw)
    if packed:
        pack(raw)
    assert_small_dataset(own(folder / "elsewhere", kind))


def test_packed_files_are_unpacked(folder):
    pack(folder)
    assert_small_dataset(own(folder))


def test_fashion_mnist_flips_its_training_images_and_mnist_does_not():
    assert [type(layer).__name__ for layer in FashionMNIST().augmentation] == ["HorizontalFlip"]
    assert len(MNIST().augmentation) == 0
    assert len(FashionMNIST(augmentation=[]).augmentation) == 0
    assert FashionMNIST().class_names[8] == "Bag"


def hold_nothing(path):
    dimensions = 3 if "images" in path.name else 1
    path.write_bytes(idx(np.empty((0, 28, 28)[:dimensions])))


def truncate(path):
    path.write_bytes(path.read_bytes()[:-5])


def lengthen(path):
    path.write_bytes(path.read_bytes() + b"\0")


def empty(path):
    path.write_bytes(b"")


def write_html(path):
    path.write_bytes(b"<html>404 not found</html>" * 20)


def change_magic_number(path):
    path.write_bytes(b"\0\0\7" + path.read_bytes()[3:])


def claim_floats(path):
    path.write_bytes(b"\0\0\x0d" + path.read_bytes()[3:])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "damage", [truncate, lengthen, empty, hold_nothing, write_html, change_magic_number, claim_floats]
)
def test_a_damaged_file_is_named(folder, name, damage):
    damage(folder / name)
    with pytest.raises(DataError, match=f"{folder / name} is not a whole IDX file"):
        own(folder)


def test_images_in_the_place_of_labels_are_refused(folder):
    shutil.copy(folder / TRAIN_IMAGES, folder / TRAIN_LABELS)
    with pytest.raises(DataError, match=str(folder / TRAIN_LABELS)):
        own(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"{folder / name} is missing"):
        own(folder)
    with pytest.raises(DataError, match=f"{folder / name} is missing"):
        MNIST(str(folder), verify=False).setup()


def test_files_that_are_not_the_published_ones_are_refused(folder):
    with pytest.raises(DataError, match=f"{folder / TRAIN_IMAGES} is not the published file"):
        ready(MNIST(str(folder)))


def test_a_truncated_download_is_to_be_repeated(folder):
    truncate(folder / TRAIN_IMAGES)
    with pytest.raises(DataError, match=f"{folder / TRAIN_IMAGES} is not a whole IDX file.*; delete all four files"):
        ready(MNIST(str(folder)))


def test_archives_that_are_not_the_published_ones_are_refused_unopened(folder):
    pack(folder)
    with pytest.raises(DataError, match=rf"{folder / TRAIN_IMAGES}\.gz is not the published file"):
        ready(MNIST(str(folder)))
    assert not (folder / TRAIN_IMAGES).exists()


@pytest.mark.parametrize("name", [TRAIN_LABELS, TEST_LABELS])
def test_a_label_out_of_range_is_refused(folder, name):
    labels = small_dataset()[name]
    labels[3] = 10
    (folder / name).write_bytes(idx(labels))
    with pytest.raises(DataError, match=f"{folder / name} holds label 10; there are 10 classes"):
        own(folder)


def test_another_number_of_labels_than_of_images_is_refused(folder):
    (folder / TEST_LABELS).write_bytes(idx(np.zeros(39)))
    with pytest.raises(DataError, match=f"{folder / TEST_IMAGES} holds 40 images, {folder / TEST_LABELS} 39 labels"):
        own(folder)


def test_images_of_another_size_are_refused(folder):
    (folder / TEST_IMAGES).write_bytes(idx(np.zeros((40, 32, 32))))
    with pytest.raises(DataError, match=rf"{folder / TEST_IMAGES} holds images of \(32, 32\), not \(28, 28\)"):
        own(folder)


def cut_short(packed):
    return packed[: len(packed) // 2]


def scramble(packed):
    return packed[:10] + bytes(byte ^ 0xFF for byte in packed[10:])


def replace_by_text(packed):
    return b"not an archive"


@pytest.mark.parametrize("damage", [cut_short, scramble, replace_by_text])
def test_a_damaged_archive_is_named_and_leaves_nothing_behind(folder, damage):
    pack(folder)
    archive = folder / f"{TRAIN_IMAGES}.gz"
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(DataError, match=f"{archive} cannot be unpacked"):
        own(folder)
    assert not (folder / TRAIN_IMAGES).exists()


@pytest.mark.parametrize("error", [URLError("no network"), ConnectionResetError("reset"), RuntimeError("bad file")])
@pytest.mark.parametrize("kind", [MNIST, FashionMNIST])
def test_a_failed_download_says_where_the_files_belong(tmp_path, monkeypatch, error, kind):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(torchvision_mnist, "download_and_extract_archive", fail)
    with pytest.raises(DataError, match=f"(?s){kind.__name__} is not in {tmp_path / kind.__name__ / 'raw'}.*data_dir"):
        kind(str(tmp_path)).prepare_data()


def test_a_download_puts_the_files_where_they_are_then_read(tmp_path, monkeypatch):
    def pretend(url, download_root, filename, md5):
        name = filename.removesuffix(".gz")
        (Path(download_root) / name).write_bytes(idx(small_dataset()[name]))

    monkeypatch.setattr(torchvision_mnist, "download_and_extract_archive", pretend)
    assert_small_dataset(own(tmp_path))


def test_duplicates_are_sought_in_what_a_subclass_makes_of_the_files(folder):
    class Copied(MNIST):
        def load(self):
            samples = super().load()
            samples.inputs[100:] = samples.inputs[:40]
            return samples

    with pytest.raises(DataError, match="byte-identical samples across parts"):
        ready(Copied(str(folder), verify=False, split=SplitOptions(duplicates="raise")))


with_data = pytest.mark.skipif(not all((PUBLISHED / name).exists() for name in FILES), reason="data/MNIST is not there")


@with_data
def test_the_published_mnist_passes_its_checksums_and_has_60000_and_10000_images():
    data = ready(MNIST(str(PUBLISHED.parents[1])))
    assert (len(data.split.train), len(data.split.val), len(data.split.test)) == (54_000, 6_000, 10_000)
    assert (data.split.test == np.arange(60_000, 70_000)).all()
    assert data.samples.targets.bincount()[:2].tolist() == [6903, 7877]


@with_data
@pytest.mark.parametrize("name", FILES)
def test_a_published_file_with_one_other_byte_is_refused(tmp_path, name):
    for file in FILES:
        (tmp_path / file).symlink_to(PUBLISHED / file)
    content = bytearray((PUBLISHED / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).unlink()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{tmp_path / name} is not the published file"):
        ready(MNIST(str(tmp_path)))
