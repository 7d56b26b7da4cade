"""A folder of images with one subfolder per class: decoded once and kept, or streamed if they do not fit in memory."""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
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
from datamodules.images.image_decoding import BrokenImageError
from datamodules.images.image_files import list_images
from datamodules.images.image_headers import Headers, choose_format, read_headers
from datamodules.images.image_stream import StreamedImages
from datamodules.images.new_images import read_images
from datamodules.new_inputs import NewBatch, TrainedOn
from datamodules.samples import Samples, Stream
from datamodules.splitting.duplicates import Digests
from datamodules.splitting.manifest import Manifest
from datamodules.splitting.path_values import values_in_paths
from datamodules.splitting.subsets import Indices


class ImageFolder(DataModule):
    """Images of any size and kind in `data_dir`/<class>/, or in `data_dir`/train/<class>/, val/<class>/, test/<class>/.

    The folders train, val (also valid, validation, dev, eval) and test are those parts, in any case ("Training",
    "test_set"); a part without a folder is split off, stratified. Files in subfolders of a class folder count too, and
    links are followed; what is left out, such as hidden files and those without an image's suffix, is counted. All
    images (grey, palette, 16 bits, transparent, rotated by EXIF) become upright RGB (3, size, size); transparent ones
    are laid on white. 16-bit grey is divided by the largest value in the training part, which `maximum` then holds.

    Up to `memory_limit_gb`, images are decoded once into a file (see `datamodules.images.image_cache`) in
    `data_dir`/.cache, which is mapped into memory. Beyond it, every image is checked once, then decoded whenever it is
    needed, and training images are cropped at random from the whole image (`train_transforms`). In both cases training
    batches are flipped left to right, unless `augmentation` says otherwise.

    Args:
        data_dir: The folder.
        size: Height and width: the shorter side is scaled, the centre cropped. By default images of one size keep it;
            others get the median of the shorter sides of up to 1,000 training images, rounded to a multiple of 32, from
            32 to 224.
        memory_limit_gb: Largest size of the decoded images to keep, in gigabytes (10⁹ bytes); 0 always streams.
        broken: How to treat a broken image file: "fail" with its name, or "skip" it with a warning.
        cache_dir: Folder of the decoded images, default `data_dir`/.cache; it may be deleted at any time.
        verify: Compare the content of all files with what was decoded in an earlier run, rather than that of up to 256
            (names, sizes and times are always compared); what has changed is decoded again.
        train_transforms: torchvision v2 transforms of a streamed training image before it is resized, default
            RandomResizedCrop(size), for which None stands in a list too. They draw from torch's generator, which is
            seeded with (seed, epoch, index).
        num_workers: Worker processes that decode streamed images, default one per processor, 8 at most; affects speed
            only.
        kwargs: Arguments of `DataModule`.
    """

    default_recipe = "images"
    named_after = "data_dir"
    may_change_on_resume = ("data_dir", "cache_dir", "verify", "num_workers")

    def __init__(
        self,
        data_dir: str,
        size: int | None = None,
        memory_limit_gb: float = 4.0,
        broken: Broken = "fail",
        cache_dir: str | None = None,
        verify: bool = False,
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
        self.headers = self._read_headers(size)
        self.form = choose_format(self.headers, size)
        self.chosen_size = size is None and len(set(self.headers.sizes)) > 1
        self.input_shape = self.form.shape
        values = len(self.listing.files) * int(np.prod(self.input_shape))
        self.streamed = values * self.form.dtype.itemsize > memory_limit_gb * 1e9
        if train_transforms is not None and not self.streamed:
            raise DataError("train_transforms are for streamed images only; set memory_limit_gb 0 to stream")
        chosen = with_default(train_transforms, lambda: [v2.RandomResizedCrop(self.form.shape[1:])])
        self.train_transforms = v2.Compose(chosen) if chosen else None
        first = next(iter(self.augmentation), None)
        if self.streamed and chosen and getattr(first, "needs_originals", False):
            raise DataError(f"{type(first).__name__} needs the original images; set train_transforms []")
        self.broken: Broken = broken
        self.verify = verify
        self.cache_dir = Path(cache_dir) if cache_dir is not None else Path(data_dir) / ".cache"
        self.num_workers = min(os.cpu_count() or 1, 8) if num_workers is None else num_workers

    def _read_headers(self, size: int | None) -> Headers:
        parts = self.listing.parts
        held_out = {number for part in ("val", "test") for number in map(int, parts.get(part, ()))}
        files = [file for number, file in enumerate(self.listing.files) if number not in held_out]
        headers = read_headers(files)
        if size is None and not headers.sizes:
            raise DataError(f"{files[0].path} is not an image, nor is any other that was looked at")
        others = read_headers([self.listing.files[number] for number in sorted(held_out)])
        same = others.complete and set(others.sizes) <= set(headers.sizes)
        return replace(headers, complete=headers.complete and same)

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
                verify=self.verify,
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
    def setup(self, stage: str | None = None) -> None:
        super().setup(stage)
        size = {"height": self.form.height, "width": self.form.width, "resized": self.form.resize}
        self.manifest["images"] = {**size, "maximum": self.maximum}

    @override
    def fit_maximum(self, indices: Tensor) -> None:
        if self.form.deep:
            inputs = self.samples.inputs
            chunks = (
                [inputs.sample(indices)]
                if isinstance(inputs, Stream)
                else (inputs[some] for some in torch.split(indices, 64))
            )
            self.maximum = max(1.0, *(float(chunk.max()) for chunk in chunks))

    @override
    def check_same_split(self, recorded: Manifest) -> None:
        self.ensure_setup()
        then, now = recorded.get("images"), self.manifest["images"]
        same_data = recorded["source"] == self.manifest["source"]
        if same_data and then is not None and (then["height"], then["width"]) != (now["height"], now["width"]):
            sizes = [f"{images['height']}×{images['width']}" for images in (then, now)]
            raise DataError(f"the images were {sizes[0]} in training, now they are {sizes[1]}; set data.size as it was")
        super().check_same_split(recorded)

    def digests(self) -> Digests:
        """Return a digest of each file's bytes, (N,): the same for kept and streamed images."""
        return self.decoded.digests

    @override
    def sample_files(self) -> list[str]:
        return self.listing.names(self.decoded.readable.tolist())

    @override
    def sample_values(self, name: str) -> npt.NDArray[np.str_]:
        return values_in_paths(name, self.sample_files(), self.listing.root)

    @property
    @override
    def preprocessing(self) -> dict[str, Any]:
        size = [self.form.height, self.form.width] if self.form.resize else None
        return super().preprocessing | {"size": size}

    @classmethod
    @override
    def new_inputs(cls, path: Path, trained: TrainedOn) -> Iterator[NewBatch]:
        """Yield an image, or all images below a folder, decoded as those of the training; they need no classes."""
        images = trained.manifest["images"]
        return read_images(path, trained, resized=images["resized"], deep=trained.dtype == torch.float32)

    @override
    def extra_facts(self) -> list[str]:
        ignored = [f"{count} {kind}{'s' * (count > 1)} ignored" for kind, count in self.listing.left_out.items()]
        broken = len(self.listing.files) - len(self.decoded.readable)
        ignored += [f"{broken} broken image{'s' * (broken > 1)} left out"] if broken else []
        size = f"{self.form.height}×{self.form.width}"
        facts = (
            [f"several sizes made {size}, the median shorter side: --data.size chooses another"]
            if self.chosen_size
            else []
        )
        facts += [f"16 bits, divided by {self.maximum:,.0f}"] if self.form.deep else []
        decoded = [f"decoded once into {self.cache_dir}"] if self.cache_dir.is_dir() else []
        return [*facts, *ignored, *(["streamed from disk"] if self.streamed else decoded)]
