"""Whatever an image file holds becomes upright 8-bit RGB of one size."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from datamodules import DataError
from datamodules.images.image_decoding import BrokenImageError, ImageFormat, open_rgb

QUARTERS = np.kron(np.array([[0, 80], [160, 240]], dtype=np.uint8), np.ones((8, 8), dtype=np.uint8))
COLOURS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def encode(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixels(data):
    return np.asarray(open_rgb(data))


def grey(array):
    return np.stack([array] * 3, axis=-1)


def test_rgb_is_read_as_it_is():
    assert (pixels(encode(Image.fromarray(COLOURS))) == COLOURS).all()
    assert (ImageFormat(16, 16, False).decode(encode(Image.fromarray(COLOURS))) == COLOURS.transpose(2, 0, 1)).all()


def test_grey_has_three_equal_channels():
    assert (pixels(encode(Image.fromarray(QUARTERS))) == grey(QUARTERS)).all()


def test_black_and_white_of_one_bit_is_0_and_255():
    white = np.eye(16, dtype=bool)
    assert (pixels(encode(Image.fromarray(white))) == grey(255 * white)).all()


def test_a_palette_is_looked_up():
    image = Image.fromarray(QUARTERS).convert("P", palette=Image.Palette.ADAPTIVE)
    assert image.mode == "P"
    assert (pixels(encode(image)) == grey(QUARTERS)).all()
    assert (pixels(encode(image, "GIF")) == grey(QUARTERS)).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_keep_their_upper_8(kind):
    values = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    assert (pixels(encode(Image.fromarray(values), kind)) == grey(np.arange(256).reshape(16, 16))).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_lies_on_white(mode):
    image = Image.fromarray(grey(QUARTERS)).convert(mode)
    image.putalpha(Image.fromarray(np.where(QUARTERS > 100, 255, 0).astype(np.uint8)))
    expected = np.where(QUARTERS > 100, QUARTERS, 255)
    assert (pixels(encode(image)) == grey(expected)).all()


def test_half_transparent_is_half_white():
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert (pixels(encode(image)) == 127).all()


def test_a_transparent_palette_entry_is_white():
    image = Image.fromarray(QUARTERS // 80).convert("P")
    image.putpalette([0, 0, 0, 80, 80, 80, 160, 160, 160, 240, 240, 240])
    expected = np.where(QUARTERS == 80, 255, QUARTERS)
    assert (pixels(encode(image, transparency=1)) == grey(expected)).all()


def test_cmyk_is_turned_into_rgb():
    data = encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")
    assert np.abs(pixels(data).astype(int) - [255, 0, 0]).max() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_turns_the_image_upright(orientation, kind):
    upright = Image.fromarray(grey(QUARTERS[:, :12]))
    turns = {2: [0], 3: [3], 4: [1], 5: [5], 6: [2], 7: [6], 8: [4]}  # what undoes each, as PIL numbers its transposes
    stored = upright
    for turn in turns.get(orientation, []):
        stored = stored.transpose(Image.Transpose(turn))
    exif = Image.Exif()
    exif[0x0112] = orientation
    read = pixels(encode(stored, kind, exif=exif)).astype(int)
    assert read.shape == (16, 12, 3)
    assert np.abs(read - grey(QUARTERS[:, :12])).max() < 8


@pytest.mark.parametrize("array", [np.ones((4, 4), np.float32), np.full((4, 4), 70_000, np.int32)])
def test_values_of_unknown_range_are_refused(array):
    with pytest.raises(BrokenImageError, match="unknown range"):
        open_rgb(encode(Image.fromarray(array), "TIFF"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"])
@settings(max_examples=20, deadline=None)
@given(share=st.floats(0, 0.9))
def test_a_file_cut_short_is_broken(kind, share):
    data = encode(Image.fromarray(COLOURS), kind)
    form = ImageFormat(16, 16, True)
    for read in (form.decode, form.check):
        with pytest.raises(BrokenImageError):
            read(data[: int(share * len(data))])


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_an_image_or_broken_and_nothing_else(data):
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"]))
    whole = bytearray(encode(Image.fromarray(COLOURS), kind))
    for _ in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BrokenImageError):
        assert ImageFormat(16, 16, True).decode(bytes(whole)).shape == (3, 16, 16)


def test_the_complaint_says_what_is_wrong():
    with pytest.raises(BrokenImageError, match="the file is empty"):
        open_rgb(b"")
    with pytest.raises(BrokenImageError, match=r"not an image \(BMP, GIF, JPEG"):
        open_rgb(b"<html>404</html>")
    with pytest.raises(BrokenImageError, match="truncated"):
        open_rgb(encode(Image.fromarray(COLOURS), "BMP")[:-100])


def test_formats_that_run_programs_are_not_images(monkeypatch):
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("Ghostscript was started"))
    for kind in ("EPS", "PCX", "TGA"):
        with pytest.raises(BrokenImageError, match="not an image"):
            open_rgb(encode(Image.fromarray(COLOURS), kind))


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 60), width=st.integers(1, 60), size=st.integers(1, 40))
def test_any_image_gets_the_size(height, width, size):
    data = encode(Image.new("RGB", (width, height), (10, 20, 30)))
    decoded = ImageFormat(size, size, True).decode(data)
    assert decoded.dtype == np.uint8
    assert (decoded == np.array([10, 20, 30]).reshape(3, 1, 1)).all()
    assert decoded.shape == (3, size, size)


@pytest.mark.parametrize("wide", [False, True])
def test_the_centre_is_kept_and_not_squeezed(wide):
    stripes = np.zeros((20, 60, 3), np.uint8)
    stripes[:, 16:44] = 255  # the filter looks a little beyond the centre
    image = Image.fromarray(stripes if wide else stripes.transpose(1, 0, 2))
    assert (ImageFormat(10, 10, True).decode(encode(image)) == 255).all()


def test_without_resizing_another_size_is_refused():
    data = encode(Image.new("RGB", (12, 10)))
    form = ImageFormat(10, 12, False)
    assert form.decode(data).shape == form.shape == (3, 10, 12)
    for read in (ImageFormat(12, 10, False).decode, ImageFormat(12, 10, False).check):
        with pytest.raises(DataError, match="is 12×10 pixels, not 10×12"):
            read(data)


def test_a_large_photograph_decoded_in_part_looks_the_same():
    rough = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8))
    photograph = rough.resize((1600, 1200), Image.Resampling.BICUBIC)
    data = encode(photograph, "JPEG", quality=95)
    assert open_rgb(data, (64, 64)).width < 400
    whole = np.asarray(ImageFormat(32, 32, True).fit(open_rgb(data))).transpose(2, 0, 1).astype(int)
    assert np.abs(ImageFormat(32, 32, True).decode(data) - whole).max() <= 8
