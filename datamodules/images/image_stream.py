"""Batches of images that are too many for memory: decoded by worker processes, in the order of `InMemoryLoader`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from datamodules.errors import DataError
from datamodules.images.image_decoding import ImageFormat, channels_first, open_rgb
from datamodules.loader import Batch, InMemoryLoader

Transform = Callable[[Image.Image], Image.Image]
Sample = tuple[Tensor, Tensor]
Key = tuple[int, int, int]  # seed, epoch and index: all that a random transform depends on


class StreamedImages(Dataset[Sample]):
    """Decodes the image of a key (seed, epoch, index) when it is asked for.

    Args:
        paths: N files.
        targets: (N, ...).
        form: Size of the images.
        transform: Applied to the whole image before it is given its size; draws from torch's generator, if at all.
    """

    def __init__(
        self, paths: list[Path], targets: Tensor, form: ImageFormat, transform: Transform | None = None
    ) -> None:
        self.paths = paths
        self.targets = targets
        self.form = form
        self.transform = transform

    def __getitem__(self, key: Key) -> Sample:
        """Return the image, (3, H, W), uint8, and its target.

        Raises:
            DataError: The file has been changed since it was checked, and is no image any more.
        """
        path, target = self.paths[key[-1]], self.targets[key[-1]]
        try:
            data = path.read_bytes()
            if self.transform is None:
                return torch.from_numpy(self.form.decode(data)), target
            image = open_rgb(data)
        except (OSError, DataError) as error:
            raise DataError(f"{path} cannot be read any more ({error}); it could be when it was checked") from error
        transformed = _apply(self.transform, image, key)
        return torch.from_numpy(channels_first(self.form.fit(transformed))), target

    def __getitems__(self, keys: list[Key]) -> list[Sample] | DataError:
        # Returned, for what a worker raises reaches the user as a page of tracebacks.
        try:
            return [self[key] for key in keys]
        except DataError as error:
            return error


def _apply(transform: Transform, image: Image.Image, key: Key) -> Image.Image:
    entropy = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(entropy) % 2**63)
        try:
            transformed = transform(image)
        except Exception as error:  # anybody's transform, in a worker process: its traceback fills a page
            raise DataError(f"train_transforms cannot transform an image ({str(error).splitlines()[0]})") from error
    if not isinstance(transformed, Image.Image):
        name = type(transformed).__name__
        raise DataError(f"train_transforms return a {name}, not an image: leave out those that make tensors")
    return transformed


class StreamLoader(InMemoryLoader):
    """Iterates over batches that worker processes decode; order, ranks and resume are `InMemoryLoader`'s.

    What a batch holds depends on the seed, the epoch and its images' indices alone: on no number of workers, and not on
    whether the pass was begun anew or gone on with.

    Args:
        images: The dataset.
        indices: Which samples to iterate over, shape (n,), int64.
        batch_size: As `InMemoryLoader` has it.
        num_workers: Processes that decode; 0 decodes in this one.
        pin_memory: Put batches where a GPU fetches them from faster.
        options: Further arguments of `InMemoryLoader`.
    """

    def __init__(
        self,
        images: StreamedImages,
        indices: Tensor,
        batch_size: int,
        *,
        num_workers: int = 0,
        pin_memory: bool = False,
        **options: Any,
    ) -> None:
        super().__init__((images.targets,), indices, batch_size, **options)
        self.images = images
        self.pass_batches = _PassBatches()
        # Workers live on from pass to pass: starting them takes seconds where processes are not forked.
        self.stream: DataLoader[Any] = DataLoader(
            images,
            collate_fn=_collate,
            batch_sampler=self.pass_batches,  # type: ignore[arg-type]
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            pin_memory=pin_memory,
            generator=torch.Generator(),  # else each pass draws from the generator that the network draws from
        )

    def __iter__(self) -> Iterator[Batch]:
        self.position, self._resume_at = self._resume_at, 0
        batches = self._shares() if self.shuffle else self._deal()
        self.pass_batches.keys = [[(self.seed, self.epoch, index) for index in batch.tolist()] for batch in batches]
        for batch in self.stream:
            if isinstance(batch, DataError):
                raise batch
            self.position += 1
            yield tuple(batch)


def _collate(samples: list[Sample] | DataError) -> list[Tensor] | DataError:
    return samples if isinstance(samples, DataError) else default_collate(samples)


class _PassBatches:
    """What torch's loader takes the batches of a pass from.

    It does not know the `StreamLoader`: a cycle would leave it to the garbage collector when workers are stopped, which
    may run in one of them.
    """

    def __init__(self) -> None:
        self.keys: list[list[Key]] = []

    def __iter__(self) -> Iterator[list[Key]]:
        return iter(self.keys)
