"""A folder of images, one folder a class: decoded once and kept, or streamed where that would take too much memory."""

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from datamodules.augmentation import AlternatingFlip, Augmentation, HorizontalFlip
from datamodules.errors import DataError
from datamodules.images.image_cache import Broken, DecodedImages, decode_images
from datamodules.images.image_decoding import BrokenImageError, ImageFormat, open_rgb
from datamodules.images.image_files import list_images
from datamodules.images.image_stream import StreamedImages, StreamLoader, Transform
from datamodules.in_memory import InMemoryDataModule, Loader
from datamodules.normalization import Normalization, channel_statistics
from datamodules.samples import Samples
from datamodules.splitting.duplicates import Digests

MAX_MEASURED = 1000  # images that stand for the training part where measuring all would mean decoding all


class ImageFolder(InMemoryDataModule):
    """Images of any size and kind in `data_dir`/<class>/, or in `data_dir`/train/<class>/, val/<class>/, test/<class>/.

    The folders train, val (also valid, validation) and test are those parts; a part without a folder is split off,
    stratified. Files below a class folder's own folders count too; hidden files, and those whose suffix is no image's,
    are ignored and counted. Whatever a file holds (grey, palette, 16 bits, transparent, turned by EXIF), the network is
    given upright RGB (3, size, size); what is transparent lies on white.

    Up to `memory_limit_gb`, images are decoded once into a file (see `datamodules.image_cache`), which is mapped into
    memory. Beyond it, every image is checked once, then decoded whenever it is needed; training images are cropped at
    random (`train_transforms`) from the whole image. Either way training batches are flipped left to right, unless
    `augmentation` says otherwise.

    Args:
        data_dir: The folder.
        size: Height and width: the shorter side is scaled, the centre cropped. Needed unless all images have one size.
        memory_limit_gb: Gigabytes (10⁹ bytes) of decoded images up to which they are kept; 0 streams always.
        broken: What to do about a file that is no whole image: fail by its name, or skip it with a warning.
        cache_dir: Folder of what was decoded, by default `data_dir`/.cache; it may be deleted at any time.
        train_transforms: torchvision v2 transforms of a streamed training image before it is given its size, by default
            RandomResizedCrop(size). They draw from torch's generator, which is seeded by (seed, epoch, index).
        num_workers: Processes that decode streamed images; by default one a processor, 8 at most. Changes speed alone.
        kwargs: Arguments of `InMemoryDataModule`.
    """

    def __init__(
        self,
        data_dir: str,
        size: int | None = None,
        memory_limit_gb: float = 4.0,
        broken: Broken = "fail",
        cache_dir: str | None = None,
        train_transforms: list[nn.Module] | None = None,
        num_workers: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if size is not None and size < 1:
            raise DataError(f"size: {size} is less than 1")
        if num_workers is not None and num_workers < 0:
            raise DataError(f"num_workers: {num_workers} is less than 0")
        if memory_limit_gb < 0:
            raise DataError(f"memory_limit_gb: {memory_limit_gb} is less than 0")
        self.listing = list_images(Path(data_dir))
        self.class_names = self.listing.class_names
        self.form = ImageFormat(size, size, resize=True) if size is not None else self._common_format()
        self.input_shape = self.form.shape
        self.streamed = len(self.listing.files) * int(np.prod(self.input_shape)) > memory_limit_gb * 1e9
        if train_transforms is not None and not self.streamed:
            raise DataError("train_transforms: images that are kept decoded see none; stream them (memory_limit_gb: 0)")
        chosen = [v2.RandomResizedCrop(self.form.shape[1:])] if train_transforms is None else train_transforms
        self.train_transforms = v2.Compose(chosen) if chosen else None
        if self.streamed and chosen and any(isinstance(step, AlternatingFlip) for step in self.augmentation):
            raise DataError("AlternatingFlip knows images by their content, which train_transforms change: set them []")
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

    def default_augmentation(self) -> list[Augmentation]:  # noqa: D102
        return [HorizontalFlip()]

    @cached_property
    def decoded(self) -> DecodedImages:
        """The images that can be read: their pixels, unless they are streamed, and digests."""
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
        """Decode or check what was not before (one process does this)."""
        _ = self.decoded

    def load(self) -> Samples:
        """Return all readable images; the pixels of streamed ones are on the device "meta", that is nowhere."""
        readable = self.decoded.readable
        targets = self.listing.targets[readable]
        absent = np.setdiff1d(np.arange(self.num_classes), targets)
        if len(absent):
            raise DataError(f"no image of the class {self.class_names[absent[0]]!r} can be read")
        official = {part: np.flatnonzero(np.isin(readable, indices)) for part, indices in self.listing.parts.items()}
        return Samples(self.decoded.pixels, torch.from_numpy(targets), official.get("test"), official.get("val"))

    def digests(self) -> Digests:
        """Return a digest of each file's bytes, (N,): the same however images are decoded, kept or streamed."""
        return self.decoded.digests

    def measure(self, indices: Tensor) -> Normalization:
        """Return mean and standard deviation of each channel; of streamed images, over 1,000 of them at most."""
        if not self.streamed:
            return super().measure(indices)
        some = indices[:: -(-len(indices) // MAX_MEASURED)]
        images = self._images()
        return channel_statistics(torch.stack([images[0, 0, index][0] for index in some.tolist()]), self.maximum)

    def make_loader(self, indices: Tensor, batch_size: int, **options: Any) -> Loader:  # noqa: D102
        if not self.streamed:
            return super().make_loader(indices, batch_size, **options)
        transform = self.train_transforms if options.get("shuffle") else None
        on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        options |= {"num_workers": self.num_workers, "pin_memory": on_gpu}
        return StreamLoader(self._images(transform), indices, batch_size, **options)

    def _images(self, transform: Transform | None = None) -> StreamedImages:
        paths = [self.listing.files[number].path for number in self.decoded.readable]
        return StreamedImages(paths, self.targets, self.form, transform)

    def facts(self) -> list[str]:  # noqa: D102
        count = self.listing.ignored
        ignored = [f"{count} other file{'s' * (count > 1)} ignored"] if count else []
        return [*ignored, *(["streamed from disk"] if self.streamed else [])]
