"""Datasets: split without leaks, normalised from the training part, batched from memory."""

from datamodules.augmentation import Augmentation, HorizontalFlip, RandomTranslate
from datamodules.base import DataModule
from datamodules.cifar import CIFAR10, CIFAR100
from datamodules.digits import Digits
from datamodules.errors import DataError
from datamodules.image_folder import ImageFolder
from datamodules.in_memory import InMemoryDataModule
from datamodules.loader import InMemoryLoader
from datamodules.mnist import MNIST, FashionMNIST
from datamodules.samples import Samples
from datamodules.splits import Split, SplitOptions, make_split

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "MNIST",
    "Augmentation",
    "DataError",
    "DataModule",
    "Digits",
    "FashionMNIST",
    "HorizontalFlip",
    "ImageFolder",
    "InMemoryDataModule",
    "InMemoryLoader",
    "RandomTranslate",
    "Samples",
    "Split",
    "SplitOptions",
    "make_split",
]
