"""Images that do not fit in memory, decoded by worker processes, in `BatchLoader`'s order."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate
from typing_extensions import override

from datamodules.errors import DataError
from datamodules.images.image_decoding import LARGEST_FILE, ImageFormat, open_rgb
from datamodules.loader import Batch, BatchLoader, Order
from datamodules.regular_files import read_bytes
from datamodules.samples import Stream

MAX_MEASURED = 1000  # images to measure statistics on, because measuring all means decoding all
Transform = Callable[[Image.Image], Image.Image]
Sample = tuple[Tensor, ...]
SampleKey = tuple[int, int, int]  # seed, epoch and index: all that a random transform depends on


class StreamedImages(Stream):
    """Image files that are decoded whenever they are needed.

    Args:
        paths: N files.
        form: Size of the images.
        transform: Transforms a training image before it is resized; draws from torch's generator, if at all.
        num_workers: Worker processes that decode; 0 decodes in the calling process.
    """

    def __init__(
        self, paths: list[Path], form: ImageFormat, transform: Transform | None = None, num_workers: int = 0
    ) -> None:
        self.paths = paths
        self.form = form
        self.transform = transform
        self.num_workers = num_workers
        self.shape = (len(paths), *form.shape)
        self.dtype = torch.float32 if form.deep else torch.uint8

    @override
    def sample(self, indices: Tensor) -> Tensor:
        some = indices[:: -(-len(indices) // MAX_MEASURED)]
        images = ImageDataset(self.paths, (), self.form)
        return torch.stack([images[0, 0, index][0] for index in some.tolist()])

    @override
    def loader(
        self, others: Batch, indices: Tensor, batch_size: int, order: Order, device: torch.device
    ) -> "StreamLoader":
        images = ImageDataset(self.paths, others, self.form, self.transform if order.shuffle else None)
        return StreamLoader(images, indices, batch_size, order, self.num_workers, pin_memory=device.type == "cuda")


class ImageDataset(Dataset[Sample]):
    """Decodes the image of a key (seed, epoch, index) on demand.

    Args:
        paths: N files.
        others: What comes with each image: targets (N, ...), and weights (N,) if there are any.
        form: Size of the images.
        transform: Applied to the whole image before it is resized; draws from torch's generator, if at all.
    """

    def __init__(self, paths: list[Path], others: Batch, form: ImageFormat, transform: Transform | None = None) -> None:
        self.paths = paths
        self.others = others
        self.form = form
        self.transform = transform

    def __getitem__(self, key: SampleKey) -> Sample:
        """Return the image, (3, H, W), of the form's type, and what comes with it.

        Raises:
            DataError: The file has changed since it was checked, and cannot be read as an image.
        """
        path, others = self.paths[key[-1]], [values[key[-1]] for values in self.others]
        try:
            data = read_bytes(path, LARGEST_FILE)
            if self.transform is None:
                return torch.from_numpy(self.form.decode(data)), *others
            image = open_rgb(data, deep=self.form.deep)
        except (OSError, DataError) as error:
            raise DataError(f"{path} cannot be read any more ({error}); it was readable when it was checked") from error
        transformed = _apply(self.transform, image, key)
        return torch.from_numpy(self.form.pixels(self.form.fit(transformed))), *others

    def __getitems__(self, keys: list[SampleKey]) -> list[Sample] | DataError:
        # The error is returned because one that a worker raises reaches the user as a page of tracebacks.
        try:
            return [self[key] for key in keys]
        except DataError as error:
            return error


def _apply(transform: Transform, image: Image.Image, key: SampleKey) -> Image.Image:
    entropy = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(entropy) % 2**63)
        try:
            transformed = transform(image)
        except Exception as error:  # a user's transform, in a worker process: its traceback fills a page
            raise DataError(f"train_transforms cannot transform an image ({str(error).splitlines()[0]})") from error
    if not isinstance(transformed, Image.Image):
        name = type(transformed).__name__
        raise DataError(f"train_transforms return a {name}, not an image: leave out those that make tensors")
    return transformed


class StreamLoader(BatchLoader):
    """Iterates over batches that worker processes decode.

    The content of a batch depends on the seed, the epoch and its images' indices alone: neither on the number of
    workers nor on whether the pass was resumed.

    Args:
        images: The dataset.
        indices: As in `BatchLoader`.
        batch_size: As in `BatchLoader`.
        order: As in `BatchLoader`.
        num_workers: Worker processes that decode; 0 decodes in the calling process.
        pin_memory: Put batches into pinned memory, for faster copies to a GPU.
    """

    def __init__(
        self,
        images: ImageDataset,
        indices: Tensor,
        batch_size: int,
        order: Order,
        num_workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        super().__init__(indices, batch_size, order)
        self.images = images
        self.pass_batches = _PassBatches()
        # Workers persist from pass to pass: starting them takes seconds where processes are not forked.
        self.stream: DataLoader[Any] = DataLoader(
            images,
            collate_fn=_collate,
            batch_sampler=self.pass_batches,  # type: ignore[arg-type]
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            pin_memory=pin_memory,
            generator=torch.Generator(),  # otherwise each pass draws from torch's global generator
        )

    @override
    def read(self, batches: Iterable[Tensor]) -> Iterator[Batch]:
        self.pass_batches.keys = [[(self.seed, self.epoch, index) for index in batch.tolist()] for batch in batches]
        for batch in self.stream:
            if isinstance(batch, DataError):
                raise batch
            yield tuple(batch)


def _collate(samples: list[Sample] | DataError) -> list[Tensor] | DataError:
    return samples if isinstance(samples, DataError) else default_collate(samples)


class _PassBatches:
    """The batches of a pass, as torch's loader takes them.

    It has no reference to the `StreamLoader`: a cycle would leave it to the garbage collector when workers are stopped,
    and that may run in one of them.
    """

    def __init__(self) -> None:
        self.keys: list[list[SampleKey]] = []

    def __iter__(self) -> Iterator[list[SampleKey]]:
        return iter(self.keys)
