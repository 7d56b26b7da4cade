"""Images a second from memory to the network's input: flipped, shifted by up to 4 pixels, scaled and normalised.

The rival is torchvision's v2 transforms in a DataLoader with two workers, as its tutorials write it. Each augmentation
is also compared with kornia's, on the same batch, where kornia is installed (`pip install kornia`). Its RandAugment and
TrivialAugment draw one operation for a whole batch; to draw one for each image, as ours do, it takes the images singly.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

import datamodules
from datamodules import HorizontalFlip, InMemoryLoader, Order, RandomTranslate
from datamodules.preparation import scaled
from models import Preprocessing
from scripts.benchmarks.contest import Contest, Target
from scripts.benchmarks.disturb_label import rate
from scripts.benchmarks.setup import Setup, forever

IMAGES, BATCH, WORKERS = 20_000, 128, 2
MEAN, STD = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)
OURS, TORCHVISION, KORNIA = "ours", "torchvision, 2 workers", "kornia"


class ImageDataset(Dataset[tuple[Tensor, int]]):
    """Images in memory, each transformed when it is asked for."""

    def __init__(self, images: Tensor, transform: Callable[[Tensor], Tensor]) -> None:
        self.images, self.transform = images, transform

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Return an image (3, 32, 32), float, and its label."""
        return self.transform(self.images[index]), index % 10


def contests(setup: Setup) -> Sequence[Contest]:
    """Return the contest of whole pipelines, and one for each augmentation that kornia has."""
    images = torch.randint(256, (IMAGES, 3, 32, 32), dtype=torch.uint8)
    seconds = 1.0 if setup.quick else 4.0
    transform = v2.Compose(
        [
            v2.RandomCrop(32, padding=4),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )
    loader = DataLoader(
        ImageDataset(images, transform), BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True
    )
    ours, theirs = our_batches(images), forever(loader)
    contenders = {
        OURS: lambda _: BATCH * rate(lambda: next(ours), seconds),
        TORCHVISION: lambda _: BATCH * rate(lambda: next(theirs), seconds),
    }
    whole = Contest("flip, shift and normalise", "images/s", contenders, [Target(OURS, TORCHVISION, 30, True)])
    return [whole, *(kornia_contests(images[:BATCH], setup) if find_spec("kornia") else ())]


def our_batches(images: Tensor) -> Iterator[Tensor]:
    """Yield batches as the datamodule and the task make them, endlessly."""
    labels = torch.arange(len(images)) % 10
    loader = InMemoryLoader((images, labels), torch.arange(len(images)), BATCH, Order(shuffle=True))
    flip, shift, prepare = HorizontalFlip(), RandomTranslate(4), Preprocessing(255, MEAN, STD)
    for batch in forever(loader):
        inputs: Tensor = batch[0]  # type: ignore[index]
        yield prepare.normalize(scaled(shift(flip(inputs)), 255))  # type: ignore[misc]


def kornia_contests(images: Tensor, setup: Setup) -> Iterator[Contest]:
    """Yield a contest for each augmentation that both have, on a batch of floats."""
    from kornia import augmentation as kornia
    from kornia.augmentation.auto import RandAugment, TrivialAugment

    pairs: dict[str, tuple[Any, Any]] = {
        "flip": (HorizontalFlip(), kornia.RandomHorizontalFlip()),
        "shift": (RandomTranslate(4), kornia.RandomCrop((32, 32), padding=4)),
        "affine": (datamodules.RandomAffine(15, (0.1, 0.1)), kornia.RandomAffine(15, (0.1, 0.1), p=1)),
        "rotation": (datamodules.RandomRotation(15), kornia.RandomRotation(15, p=1)),
        "resized crop": (datamodules.RandomResizedCrop(), kornia.RandomResizedCrop((32, 32))),
        "erasing": (datamodules.RandomErasing(1), kornia.RandomErasing(p=1)),
        "colour jitter": (datamodules.ColorJitter(0.4, 0.4, 0.4, 0.1), kornia.ColorJitter(0.4, 0.4, 0.4, 0.1, p=1)),
        "greyscale": (datamodules.RandomGrayscale(0.5), kornia.RandomGrayscale(p=0.5)),
        "TrivialAugment": (datamodules.TrivialAugment(), _singly(TrivialAugment())),
        "RandAugment": (datamodules.RandAugment(2, 9), _singly(RandAugment(2, 9))),
    }
    batch = images.float() / 255
    for name, (ours, theirs) in pairs.items():
        contenders = {OURS: _milliseconds(ours, batch, setup), KORNIA: _milliseconds(theirs, batch, setup)}
        yield Contest(f"{name} of {BATCH} images", "ms", contenders, [Target(OURS, KORNIA, 1)])


def _singly(augment: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda images: torch.cat([augment(image) for image in torch.split(images, 1)])


def _milliseconds(augment: Callable[[Tensor], object], batch: Tensor, setup: Setup) -> Callable[[int], float]:
    def measure(_: int) -> float:
        begin, count = time.perf_counter(), 3 if setup.quick else 20
        for _ in range(count):
            augment(batch)
        return 1000 * (time.perf_counter() - begin) / count

    return measure
