"""A folder of images with one subfolder per class: decoded once and kept, or streamed if they do not fit in memory."""

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.transforms import v2
from typing_extensions import override

from datamodules.augmentation import Augmentation, HorizontalFlip
from datamodules.augmentation.base import with_default
from datamodules.base import DataModule
from datamodules.checks import check_at_least, check_coefficient
from datamodules.errors import DataError
from datamodules.images.image_cache import Broken, DecodedImages, decode_images
from datamodules.images.image_decoding import BrokenImageError, ImageFormat, open_rgb
from datamodules.images.image_files import list_images
from datamodules.images.image_stream import StreamedImages
from datamodules.samples import Samples
from datamodules.splitting.duplicates import Digests
from datamodules.splitting.subsets import Indices


class ImageFolder(DataModule):
    """Images of any size and kind in `data_dir`/<class>/, or in `data_dir`/train/<class>/, val/<class>/, test/<class>/.

    The folders train, val (also valid, validation, dev, eval) and test are those parts, in any case ("Training",
    "test_set"); a part without a folder is split off, stratified. Files in subfolders of a class folder count too, and
    links are followed; what is left out, such as hidden files and those without an image's suffix, is counted. All
    images (grey, palette, 16 bits, transparent, rotated by EXIF) become upright RGB (3, size, size); transparent ones
    are laid on white.

    Up to `memory_limit_gb`, images are decoded once into a file (see `datamodules.images.image_cache`) in
    `data_dir`/.cache, which is mapped into memory. Beyond it, every image is checked once, then decoded whenever it is
    needed, and training images are cropped at random from the whole image (`train_transforms`). In both cases training
    batches are flipped left to right, unless `augmentation` says otherwise.

    Args:
        data_dir: The folder.
        size: Height and width: the shorter side is scaled, the centre cropped. Required unless all images have one
            size.
        memory_limit_gb: Largest size of the decoded images to keep, in gigabytes (10⁹ bytes); 0 always streams.
        broken: How to treat a broken image file: "fail" with its name, or "skip" it with a warning.
        cache_dir: Folder of the decoded images, default `data_dir`/.cache; it may be deleted at any time.
        train_transforms: torchvision v2 transforms of a streamed training image before it is resized, default
            RandomResizedCrop(size), for which None stands in a list too. They draw from torch's generator, which is
            seeded with (seed, epoch, index).
        num_workers: Worker processes that decode streamed images, default one per processor, 8 at most; affects speed
            only.
        kwargs: Arguments of `DataModule`.
    """

    may_change_on_resume = ("data_dir", "cache_dir", "num_workers")

    def __init__(
        self,
        data_dir: str,
        size: int | None = None,
        memory_limit_gb: float = 4.0,
        broken: Broken = "fail",
        cache_dir: str | None = None,
        train_transforms: list[nn.Module | None] | None = None,
        num_workers: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if size is not None:
            check_at_least("ImageFolder", 1, size=size)
        if num_workers is not None:
            check_at_least("ImageFolder", 0, num_workers=num_workers)
        check_coefficient("ImageFolder", memory_limit_gb=memory_limit_gb)
        self.listing = list_images(Path(data_dir))
        self.class_names = self.listing.class_names
        self.form = ImageFormat(size, size, resize=True) if size is not None else self._common_format()
        self.input_shape = self.form.shape
        self.streamed = len(self.listing.files) * int(np.prod(self.input_shape)) > memory_limit_gb * 1e9
        if train_transforms is not None and not self.streamed:
            raise DataError("train_transforms are for streamed images only; set memory_limit_gb 0 to stream")
        chosen = with_default(train_transforms, lambda: [v2.RandomResizedCrop(self.form.shape[1:])])
        self.train_transforms = v2.Compose(chosen) if chosen else None
        first = next(iter(self.augmentation), None)
        if self.streamed and chosen and getattr(first, "needs_originals", False):
            raise DataError(f"{type(first).__name__} needs the original images; set train_transforms []")
        self.broken: Broken = broken
        self.cache_dir = Path(cache_dir) if cache_dir is not None else Path(data_dir) / ".cache"
        self.num_workers = min(os.cpu_count() or 1, 8) if num_workers is None else num_workers

    def _common_format(self) -> ImageFormat:
        first = self.listing.files[0].path
        try:
            image = open_rgb(first.read_bytes())
        except (OSError, BrokenImageError) as error:
            raise DataError(f"{first} cannot be read ({error}), and no size is given: set data.size") from error
        return ImageFormat(image.height, image.width, resize=False)

    @override
    def default_augmentation(self) -> list[Augmentation]:
        return [HorizontalFlip()]

    @cached_property
    def decoded(self) -> DecodedImages:
        """The readable images: their digests and, unless they are streamed, their pixels."""
        try:
            return decode_images(
                self.listing.files,
                self.form,
                self.cache_dir,
                root=self.listing.root,
                broken=self.broken,
                keep=not self.streamed,
            )
        except BrokenImageError as error:
            raise DataError(f"{error}, or set data.broken skip") from error

    def prepare_data(self) -> None:
        """Decode or check the images unless that is done (in one process)."""
        _ = self.decoded

    def load(self) -> Samples:
        """Return all readable images, as a tensor or a stream."""
        readable = self.decoded.readable
        targets = self.listing.targets[readable]
        absent = np.setdiff1d(np.arange(self.num_classes), targets)
        if len(absent):
            raise DataError(f"no image of the class {self.class_names[absent[0]]!r} is readable")
        official = {part: np.flatnonzero(np.isin(readable, indices)) for part, indices in self.listing.parts.items()}
        inputs = self._stream(readable) if self.streamed else self.decoded.pixels
        return Samples(inputs, torch.from_numpy(targets), official.get("test"), official.get("val"))

    def _stream(self, readable: Indices) -> StreamedImages:
        paths = [self.listing.files[number].path for number in readable]
        return StreamedImages(paths, self.form, self.train_transforms, self.num_workers)

    @override
    def identify(self, indices: Tensor) -> dict[str, list[Any]]:
        numbers = self.decoded.readable[indices.numpy()].tolist()
        return {"index": numbers, "file": self.listing.names(numbers)}

    def digests(self) -> Digests:
        """Return a digest of each file's bytes, (N,): the same for kept and streamed images."""
        return self.decoded.digests

    @property
    @override
    def preprocessing(self) -> dict[str, Any]:
        size = [self.form.height, self.form.width] if self.form.resize else None
        return super().preprocessing | {"size": size}

    @override
    def extra_facts(self) -> list[str]:
        ignored = [f"{count} {kind}{'s' * (count > 1)} ignored" for kind, count in self.listing.left_out.items()]
        return [*ignored, *(["streamed from disk"] if self.streamed else [])]
