"""New image files for a trained model, decoded as training decoded its own."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from datamodules.errors import DataError
from datamodules.images.class_files import SUFFIXES
from datamodules.images.image_decoding import LARGEST_FILE, MOST_PIXELS, ImageFormat, Pixels, open_rgb
from datamodules.new_inputs import NewBatch, TrainedOn, Unreadable, in_batches, input_files
from datamodules.regular_files import read_bytes

CHANNELS = (1, 3)  # that an image file can give
LARGEST_BYTE = 255
Sample = TypeVar("Sample")
File = tuple[str, Path] | Unreadable


class Image(NamedTuple):
    """An image, (C, H, W), and whether its file had another size."""

    pixels: Pixels
    other_size: bool


def read_images(path: Path, trained: TrainedOn, resized: bool, deep: bool = False) -> Iterator[NewBatch]:
    """Yield the images of a file, or of all image files below a folder, (n, C, H, W), named by their "file".

    Images of any size, kind and mode become those of the training: of another size the shorter side is scaled and the
    centre cropped. Colours become grey, or grey three equal channels, as the model has one channel or three. Values are
    bytes, or in proportion where the training's largest value is not 255.

    Args:
        path: The file or the folder.
        trained: What the model was trained on.
        resized: Whether training images were resized too; otherwise a warning says how many new images were.
        deep: Whether the model takes 16 bits of grey, as float32.

    Raises:
        DataError: There are no images, or the model does not take images.
    """
    if len(trained.shape) != 3 or trained.shape[0] not in CHANNELS:
        raise DataError(
            f"{path}: the model takes inputs {trained.shape}, not images; save them as an .npy file, (N, ...)"
        )
    channels, height, width = trained.shape
    if height * width > MOST_PIXELS:
        raise DataError(f"the model takes images of {width} by {height} pixels, which are more than {MOST_PIXELS:,}")
    form = ImageFormat(height, width, resize=True, deep=deep)
    scale = 1.0 if deep else trained.maximum / LARGEST_BYTE
    counts = Counter[bool]()  # of images that had another size, and that had not

    def join(images: list[Image]) -> Tensor:
        counts.update(image.other_size for image in images)
        values = torch.from_numpy(np.stack([image.pixels for image in images]))
        return values if scale == 1 else values * scale

    images = _in_threads(partial(_read, form, channels == 1), input_files(path, SUFFIXES), trained.batch_size)
    yield from in_batches(images, trained.batch_size, join)
    if counts[True] and not resized:
        rank_zero_warn(
            f"{counts[True]:,} of {counts.total():,} images are not {width}×{height} pixels, as all in training were: "
            "their shorter side was scaled, their centre cropped"
        )


def _read(form: ImageFormat, grey: bool, file: File) -> tuple[dict[str, str], Image] | Unreadable:
    if isinstance(file, Unreadable):
        return file
    name, path = file
    try:
        image = open_rgb(read_bytes(path, LARGEST_FILE), (2 * form.width, 2 * form.height), form.deep)
    except (OSError, DataError) as error:
        return Unreadable(str(path), getattr(error, "strerror", None) or str(error))
    fitted = form.fit(image)
    pixels = np.asarray(fitted.convert("L"))[np.newaxis] if grey else form.pixels(fitted)
    return {"file": name}, Image(pixels, image.size != (form.width, form.height))


def _in_threads(read: Callable[[File], Sample], files: Iterable[File], at_once: int) -> Iterator[Sample]:
    """Yield what a function makes of each file, in order; some are read at the same time."""
    files = iter(files)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        while some := list(islice(files, at_once)):
            yield from pool.map(read, some)
