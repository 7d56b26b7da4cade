"""What the headers of image files say: the sizes of the images, and whether they have 16 bits."""

from dataclasses import dataclass
from pathlib import Path
from statistics import median

from PIL import Image

from datamodules.images.class_files import ImageFile
from datamodules.images.image_decoding import FORMATS, LARGEST_FILE, ImageFormat
from datamodules.regular_files import open_regular

MAX_READ = 1000  # headers, because reading all of 60,000 takes seconds at every start, and minutes from a slow disk
STEP, LARGEST = 32, 224  # of a chosen size: networks halve it five times; ImageNet's usual size
ORIENTATION, TURNED = 0x0112, 5  # EXIF: values from 5 on exchange height and width


@dataclass(frozen=True)
class Headers:
    """What the readable ones among some files say.

    Attributes:
        sizes: Height and width of each image, upright.
        deep: Whether one of them is grey with 16 bits.
        complete: Whether every file was looked at and readable, and none of another part has another size.
    """

    sizes: list[tuple[int, int]]
    deep: bool
    complete: bool


def read_headers(files: list[ImageFile]) -> Headers:
    """Read the headers of image files, or of `MAX_READ` that are spread among them; broken ones are left out."""
    some = files[:: max(-(-len(files) // MAX_READ), 1)]
    read = [header for file in some if (header := _read(file.path)) is not None]
    sizes, deep = [size for size, _ in read], any(deep for _, deep in read)
    return Headers(sizes, deep, complete=len(read) == len(files))


def _read(path: Path) -> tuple[tuple[int, int], bool] | None:
    try:
        with open_regular(path, LARGEST_FILE) as file, Image.open(file, formats=FORMATS) as image:
            # Pillow's own method for PNG would decode the pixels to look behind them.
            turned = Image.Image.getexif(image).get(ORIENTATION, 1) >= TURNED
            size = (image.width, image.height) if turned else (image.height, image.width)
            return size, image.mode.startswith("I")
    except Exception:  # damaged bytes make decoders raise many kinds; decoding names the file
        return None


def choose_format(headers: Headers, size: int | None) -> ImageFormat:
    """Return the format of a dataset's images.

    Args:
        headers: Of the training images; at least one, unless a size is given.
        size: Height and width if they are given. Otherwise images of one size keep it, and others get the median of
            their shorter sides, rounded to a multiple of 32, from 32 to 224.
    """
    if size is not None:
        return ImageFormat(size, size, resize=True, deep=headers.deep)
    if len(set(headers.sizes)) == 1:
        height, width = headers.sizes[0]
        return ImageFormat(height, width, resize=not headers.complete, deep=headers.deep)
    chosen = min(max(round(median(map(min, headers.sizes)) / STEP), 1) * STEP, LARGEST)
    return ImageFormat(chosen, chosen, resize=True, deep=headers.deep)
