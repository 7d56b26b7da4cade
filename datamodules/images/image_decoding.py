"""From the bytes of an image file of any kind to an upright RGB image of a given size."""

import io
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from datamodules.errors import DataError

Pixels = npt.NDArray[np.uint8 | np.float32]
# Pillow's own list has formats that run other programs (EPS starts Ghostscript) or follow what a file says.
FORMATS: tuple[str, ...] = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
if find_spec("PIL.AvifImagePlugin"):  # since Pillow 11.3
    FORMATS = (*FORMATS, "AVIF")
LARGEST_FILE = 2**30  # bytes
MOST_PIXELS = 2**26  # of an image that is decoded: 8192 by 8192
BACKGROUND = (255, 255, 255)  # pages show transparent images on white; their hidden colours are arbitrary


class BrokenImageError(DataError):
    """The bytes are not an image, or a truncated one."""


@dataclass(frozen=True)
class ImageFormat:
    """The size of the images of a dataset, and whether to resize them to it.

    Attributes:
        height: Rows.
        width: Columns.
        resize: Scale the shorter side and crop the centre; otherwise an image of another size is refused.
        deep: Keep all 16 bits of 16-bit grey, as float32; images of 8 bits are stretched to the same range. Otherwise
            only the upper 8 bits are kept.
    """

    height: int
    width: int
    resize: bool
    deep: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the decoded values."""
        return np.dtype(np.float32 if self.deep else np.uint8)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one decoded image."""
        return (3, self.height, self.width)

    def decode(self, data: bytes) -> Pixels:
        """Return the image in a file's bytes, (3, H, W), RGB, of `dtype`.

        Raises:
            BrokenImageError: They are not an image.
            DataError: It has another size, and `resize` is off.
        """
        least = (2 * self.width, 2 * self.height) if self.resize else None
        return self.pixels(self.fit(open_rgb(data, least, self.deep)))

    def pixels(self, image: Image.Image) -> Pixels:
        """Return the pixels of an opened image, (3, H, W), of `dtype`."""
        if image.mode == "F":
            return np.repeat(np.asarray(image)[np.newaxis], 3, axis=0)
        values = np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))
        return values.astype(np.float32) * np.float32(257) if self.deep else values

    def check(self, data: bytes) -> None:
        """Raise the errors of `decode`, in less time."""
        image = open_rgb(data, (1, 1) if self.resize else None)
        if not self.resize:
            self.fit(image)

    def fit(self, image: Image.Image) -> Image.Image:
        """Return an image of the size.

        Raises:
            DataError: It has another size, and `resize` is off.
        """
        size = (self.width, self.height)
        if image.size == size:
            return image
        if not self.resize:
            there, wanted = f"{image.width}×{image.height}", f"{self.width}×{self.height}"
            raise DataError(f"is {there} pixels, not {wanted}; set data.size")
        return ImageOps.fit(image, size, Image.Resampling.BILINEAR)


def open_rgb(data: bytes, least: tuple[int, int] | None = None, deep: bool = False) -> Image.Image:
    """Return the image in a file's bytes, in RGB, rotated according to its EXIF data.

    Transparent images are laid on white. 16-bit grey keeps its upper 8 bits (Pillow would clip it to white), or all of
    them if asked to.

    Args:
        data: Content of the file.
        least: Sufficient columns and rows: a much larger JPEG is decoded at 1/2, 1/4 or 1/8 of its size.
        deep: Return 16-bit grey as it is, in Pillow's mode "F".

    Raises:
        BrokenImageError: The bytes are not an image, a truncated one, one with an unknown range of values, or one of
            more than 2^26 pixels.
    """
    if not data:
        raise BrokenImageError("the file is empty")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if least is not None:
                image.draft(None, least)
            _check_size(image)
            ImageOps.exif_transpose(image, in_place=True)
            return _from_16_bits(image, deep) if image.mode.startswith("I") else _to_rgb(image)
    except BrokenImageError:
        raise
    except UnidentifiedImageError as error:
        raise BrokenImageError(f"not an image ({', '.join(FORMATS)})") from error
    except Exception as error:  # decoders raise many kinds on damaged bytes: OSError, SyntaxError, ...
        raise BrokenImageError(f"{error or type(error).__name__}") from error


def _check_size(image: Image.Image) -> None:
    """Check what the header says, before anything is decoded: a small file may unfold to gigabytes of pixels."""
    if image.width * image.height > MOST_PIXELS:
        raise BrokenImageError(f"{image.width} by {image.height} pixels are more than {MOST_PIXELS:,}: make it smaller")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise BrokenImageError("floating-point pixels of unknown range: convert it to 8 bits")
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        page = Image.new("RGBA", image.size, BACKGROUND)
        return Image.alpha_composite(page, colours).convert("RGB")
    return image.convert("RGB")


def _from_16_bits(image: Image.Image, deep: bool) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() >= 2**16:
        raise BrokenImageError("32-bit pixels of unknown range: convert it to 8 bits")
    if deep:
        return Image.fromarray(values.astype(np.float32))
    return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
