"""Other content under the same name, size and time does not go unnoticed."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import DataError, ImageFolder
from datamodules.images.image_cache import decode_images
from datamodules.images.image_decoding import ImageFormat
from datamodules.images.image_files import list_images

KEEP = pytest.mark.parametrize("keep", [True, False])


def write(root, count):
    """Write BMP files of noise, all of one length."""
    random = np.random.default_rng(0)
    for index in range(count):
        path = root / "ab"[index % 2] / f"{index:04}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    return root


def replace(path, data=None):
    """Give a file other content, of the same length and time."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-64:] = bytes(64)
    path.write_bytes(content if data is None else data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def decode(root, **options):
    return decode_images(list_images(root).files, ImageFormat(8, 8, True), root / ".cache", root=root, **options)


@KEEP
def test_every_file_of_a_small_folder_is_compared(tmp_path, keep):
    before = decode(write(tmp_path, 100), keep=keep)
    path = list_images(tmp_path).files[70].path
    replace(path)
    with pytest.warns(UserWarning, match=rf"{path} has other content than .*: it is made anew"):
        after = decode(tmp_path, keep=keep)
    assert np.flatnonzero(before.digests != after.digests).tolist() == [70]
    assert not keep or not torch.equal(before.pixels[70], after.pixels[70])
    decode(tmp_path, keep=keep)  # and no warning


@KEEP
def test_some_files_of_a_large_folder_are_compared_and_all_on_request(tmp_path, keep):
    torch.manual_seed(0)
    before = decode(write(tmp_path, 1200), keep=keep)
    files = list_images(tmp_path).files
    for image in files[::10]:
        replace(image.path)
    with pytest.warns(UserWarning, match="has other content than"):
        decode(tmp_path, keep=keep)
    for number in (0, 1199):
        replace(files[number].path, files[number].path.read_bytes()[:-3] + b"abc")
        with pytest.warns(UserWarning, match=f"{files[number].path} has other content than"):
            after = decode(tmp_path, keep=keep, verify=True)
        assert before.digests[number] != after.digests[number]


def test_a_broken_file_that_is_whole_now_is_read_again(tmp_path):
    path = list_images(write(tmp_path, 100)).files[3].path
    whole = path.read_bytes()
    replace(path, bytes(len(whole)))
    with pytest.warns(UserWarning, match="1 of 100 images"):
        decode(tmp_path, broken="skip")
    replace(path, whole)
    with pytest.warns(UserWarning, match=f"{path} has other content"):
        assert len(decode(tmp_path, broken="skip").readable) == 100


def test_a_split_of_other_content_is_refused(tmp_path):
    def ready(**options):
        data = ImageFolder(str(tmp_path), **options)
        data.prepare_data()
        data.setup()
        return data

    write(tmp_path, 100)
    recorded = ready().manifest
    replace(list_images(tmp_path).files[5].path)
    for verify in (False, True):
        with pytest.raises(DataError, match="the data of ImageFolder has changed"):
            ready(verify=verify).check_same_split(recorded)
