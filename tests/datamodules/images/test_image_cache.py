"""The cache holds what decoding gives, is whole or absent, and is made anew when a file changes."""

import io
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import DataError
from datamodules.images import image_cache
from datamodules.images.image_cache import decode_images
from datamodules.images.image_decoding import BrokenImageError, ImageFormat
from datamodules.images.image_files import list_images

FORM = ImageFormat(8, 8, resize=True)
JPEGS = Path(__file__).parents[3] / "data" / "cifar10-jpeg"


@pytest.fixture
def root(tmp_path):
    """600 images of two classes: more than are decoded ahead."""
    random = np.random.default_rng(0)
    for index in range(600):
        path = tmp_path / "images" / "ab"[index % 2] / f"{index:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    return tmp_path / "images"


def decode(root, form=FORM, folder=None, **options):
    return decode_images(list_images(root).files, form, folder or root / ".cache", root=root, **options)


def expected(root):
    paths = [image.path for image in list_images(root).files]
    return np.stack([np.asarray(Image.open(path)).transpose(2, 0, 1) for path in paths])


def caches(root):
    return sorted(path.name for path in (root / ".cache").iterdir())


@pytest.fixture
def decoded_files(monkeypatch):
    """Count the files that are decoded."""
    seen = []
    original = image_cache._decode

    def count(image, form, keep):
        seen.append(image.path)
        return original(image, form, keep)

    monkeypatch.setattr(image_cache, "_decode", count)
    return seen


def test_the_cache_holds_what_decoding_gives_and_is_opened_without_decoding(root, decoded_files):
    for count in (600, 600):
        decoded = decode(root)
        assert (decoded.pixels.numpy() == expected(root)).all()
        assert decoded.pixels.dtype == torch.uint8
        assert decoded.readable.tolist() == list(range(600))
        assert len(decoded_files) == count
    assert len(caches(root)) == 1


def test_the_digests_are_those_of_the_files_whether_pixels_are_kept_or_not(root):
    kept, checked = decode(root), decode(root, keep=False)
    assert (kept.digests == checked.digests).all()
    assert len(set(kept.digests.tolist())) == 600
    assert checked.pixels.shape == kept.pixels.shape
    assert checked.pixels.device.type == "meta"
    assert (kept.digests == decode(root, ImageFormat(4, 4, resize=True)).digests).all()


def rewrite(root):
    Image.new("RGB", (8, 8)).save(root / "a" / "000.png")


def touch(root):
    os.utime(root / "a" / "000.png", ns=(1, 1))


def add(root):
    Image.new("RGB", (8, 8)).save(root / "a" / "new.png")


def rename(root):
    (root / "a" / "000.png").rename(root / "a" / "00.png")


def remove(root):
    (root / "a" / "000.png").unlink()


@pytest.mark.parametrize("change", [rewrite, touch, add, rename, remove])
def test_a_change_of_any_file_makes_the_cache_anew(root, decoded_files, change):
    decode(root)
    change(root)
    decoded_files.clear()
    assert (decode(root).pixels.numpy() == expected(root)).all()
    assert len(decoded_files) == len(expected(root))


def test_another_size_has_a_cache_of_its_own(root):
    decode(root)
    assert decode(root, ImageFormat(4, 4, resize=True)).pixels.shape == (600, 3, 4, 4)
    assert decode(root).pixels.shape == (600, 3, 8, 8)
    assert len(caches(root)) == 2


def test_the_cache_outlives_a_move_of_the_folder(root, decoded_files):
    decode(root)
    moved = root.rename(root.parent / "moved")
    decoded_files.clear()
    decode(moved)
    assert decoded_files == []


def test_writing_to_the_pixels_leaves_the_cache_alone(root):
    decoded = decode(root)
    decoded.pixels.zero_()
    assert (decode(root).pixels.numpy() == expected(root)).all()


def damage(root, index):
    path = list_images(root).files[index].path
    path.write_bytes(path.read_bytes()[:40])
    return path


@pytest.mark.parametrize("keep", [True, False])
def test_a_broken_file_is_named_and_leaves_no_cache(root, keep):
    path = damage(root, 300)
    with pytest.raises(BrokenImageError, match=f"{path} cannot be read as an image"):
        decode(root, keep=keep)
    assert caches(root) == []


@pytest.mark.parametrize("keep", [True, False])
def test_broken_files_are_skipped_with_a_count_every_time(root, keep):
    whole = expected(root)
    broken = [damage(root, index) for index in (0, 300, 599)]
    readable = np.setdiff1d(np.arange(600), [0, 300, 599])
    for _ in range(2):
        with pytest.warns(UserWarning, match=f"3 of 600 images cannot be read and are left out; .*{broken[0]}"):
            decoded = decode(root, broken="skip", keep=keep)
        assert (decoded.readable == readable).all()
        assert len(decoded.digests) == len(decoded.pixels) == 597
        assert not keep or (decoded.pixels.numpy() == whole[readable]).all()
    with pytest.raises(BrokenImageError, match=f"{broken[0]} cannot be read as an image"):
        decode(root, keep=keep)


def test_nothing_readable_is_an_error(root):
    for image in list_images(root).files:
        image.path.write_bytes(b"")
    with pytest.raises(DataError, match="none of the 600 images"), pytest.warns(UserWarning, match="600 of 600"):
        decode(root, broken="skip")


def test_an_image_of_another_size_is_named_even_where_broken_ones_are_skipped(root):
    Image.new("RGB", (9, 8)).save(root / "b" / "001.png")
    with pytest.raises(DataError, match=r"b/001\.png is 9×8 pixels, not 8×8"):
        decode(root, ImageFormat(8, 8, resize=False), broken="skip")


def test_a_file_that_vanished_is_named(root):
    files = list_images(root).files
    (root / "a" / "000.png").unlink()
    with pytest.raises(DataError, match=r"a/000\.png cannot be opened \(No such file"):
        decode_images(files, FORM, root / ".cache", root=root, broken="skip")


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interruption_leaves_nothing_behind(root, monkeypatch, keep, error):
    original = image_cache._decode

    def interrupted(image, form, keep):
        if image.path.name == "599.png":
            raise error
        return original(image, form, keep)

    monkeypatch.setattr(image_cache, "_decode", interrupted)
    with pytest.raises(error):
        decode(root, keep=keep)
    assert caches(root) == []


@pytest.mark.parametrize("length", [0, 1, 100, 5000, -1])
def test_a_cache_cut_short_is_made_anew(root, length):
    decode(root)
    (path,) = (root / ".cache").iterdir()
    path.write_bytes(path.read_bytes()[:length])
    with pytest.warns(UserWarning, match=f"{path} is not a complete cache"):
        assert (decode(root).pixels.numpy() == expected(root)).all()
    assert (decode(root).pixels.numpy() == expected(root)).all()


@pytest.mark.parametrize("keep", [True, False])
def test_a_folder_that_cannot_be_written_to_means_memory_and_a_warning(root, keep):
    (root.parent / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="file is not writable .*: images are decoded at every start"):
        decoded = decode(root, folder=root.parent / "file", keep=keep)
    assert (decoded.digests == decode(root).digests).all()
    assert decoded.pixels.shape == (600, 3, 8, 8)
    assert not keep or (decoded.pixels.numpy() == expected(root)).all()


def test_a_full_disk_means_memory_and_leaves_nothing_behind(root, monkeypatch):
    original = image_cache._write

    def full(file, *arguments):
        original(file, *arguments)
        if not isinstance(file, io.BytesIO):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(image_cache, "_write", full)
    with pytest.warns(UserWarning, match="No space left"):
        assert (decode(root).pixels.numpy() == expected(root)).all()
    assert caches(root) == []


def build(root, barrier, results):
    barrier.wait()
    results.put(int(decode(root).pixels.to(torch.int64).sum()))


def test_processes_that_build_at_once_all_get_it_whole(root):
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(3), context.Queue()
    workers = [context.Process(target=build, args=(root, barrier, results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    sums = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert sums == [int(expected(root).sum())] * 3
    assert len(caches(root)) == 1


def test_nothing_is_printed_where_there_is_no_terminal(root, capfd):
    decode(root)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.skipif(not JPEGS.exists(), reason="data/cifar10-jpeg is not there")
def test_real_jpegs_are_cached_as_pillow_reads_them(tmp_path):
    files = list_images(JPEGS).files[::20]
    for _ in range(2):
        decoded = decode_images(files, ImageFormat(32, 32, resize=False), tmp_path, root=JPEGS)
        for index in range(0, len(files), 100):
            theirs = np.asarray(Image.open(files[index].path)).transpose(2, 0, 1)
            assert (decoded.pixels[index].numpy() == theirs).all()
