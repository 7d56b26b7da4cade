"""Datasets: split without leaks, normalised from the training part, batched from memory."""

from datamodules.augmentation import (
    AlternatingFlip,
    Augmentation,
    AugMix,
    ColorJitter,
    HorizontalFlip,
    RandAugment,
    RandomAffine,
    RandomErasing,
    RandomGrayscale,
    RandomResizedCrop,
    RandomRotation,
    RandomTranslate,
    TrivialAugment,
)
from datamodules.base import DataModule
from datamodules.errors import DataError
from datamodules.images.cifar import CIFAR10, CIFAR100
from datamodules.images.digits import Digits
from datamodules.images.image_folder import ImageFolder
from datamodules.images.mnist import MNIST, FashionMNIST
from datamodules.in_memory import InMemoryDataModule
from datamodules.loader import InMemoryLoader
from datamodules.samples import Samples
from datamodules.sequences.row_sequences import DigitRows, FashionMNISTRows, MNISTRows, RowSequences
from datamodules.sequences.sequence_data import SequenceDataModule, Sequences
from datamodules.sequences.sequence_files import SequenceFiles
from datamodules.sequences.synthetic_sequences import AddingProblem, DelayedEcho
from datamodules.splitting.imbalance import ExponentialImbalance, Imbalance, StepImbalance
from datamodules.splitting.label_noise import LabelNoise, MatrixNoise, PairNoise, SymmetricNoise
from datamodules.splitting.splits import Split, SplitOptions, make_split
from datamodules.tables.tabular import BreastCancer, Diabetes, Iris, Tabular, Wine
from datamodules.tables.thermometer import Thermometer

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "MNIST",
    "AddingProblem",
    "AlternatingFlip",
    "AugMix",
    "Augmentation",
    "BreastCancer",
    "ColorJitter",
    "DataError",
    "DataModule",
    "DelayedEcho",
    "Diabetes",
    "DigitRows",
    "Digits",
    "ExponentialImbalance",
    "FashionMNIST",
    "FashionMNISTRows",
    "HorizontalFlip",
    "ImageFolder",
    "Imbalance",
    "InMemoryDataModule",
    "InMemoryLoader",
    "Iris",
    "LabelNoise",
    "MNISTRows",
    "MatrixNoise",
    "PairNoise",
    "RandAugment",
    "RandomAffine",
    "RandomErasing",
    "RandomGrayscale",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomTranslate",
    "RowSequences",
    "Samples",
    "SequenceDataModule",
    "SequenceFiles",
    "Sequences",
    "Split",
    "SplitOptions",
    "StepImbalance",
    "SymmetricNoise",
    "Tabular",
    "Thermometer",
    "TrivialAugment",
    "Wine",
    "make_split",
]
