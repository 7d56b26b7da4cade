"""Datasets: split without leaks, augmented and batched on the device."""

from datamodules.arrays import Arrays
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
from datamodules.loader import InMemoryLoader, Order
from datamodules.samples import Samples, Stream
from datamodules.sequences.ragged import RaggedSequences, Sequences
from datamodules.sequences.row_sequences import DigitRows, FashionMNISTRows, MNISTRows, RowSequences
from datamodules.sequences.sequence_data import SequenceDataModule
from datamodules.sequences.sequence_files import SequenceFiles
from datamodules.sequences.synthetic_sequences import AddingProblem, DelayedEcho
from datamodules.sequences.text_sequences import TextSequences
from datamodules.sequences.vocabulary import Vocabulary
from datamodules.splitting.imbalance import ExponentialImbalance, Imbalance, StepImbalance
from datamodules.splitting.label_noise import LabelNoise, MatrixNoise, PairNoise, SymmetricNoise
from datamodules.splitting.options import SplitOptions
from datamodules.splitting.splits import Split, make_split
from datamodules.tables.shipped import BreastCancer, Diabetes, Iris, Wine
from datamodules.tables.tabular import Tabular
from datamodules.tables.thermometer import Thermometer

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "MNIST",
    "AddingProblem",
    "AlternatingFlip",
    "Arrays",
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
    "InMemoryLoader",
    "Iris",
    "LabelNoise",
    "MNISTRows",
    "MatrixNoise",
    "Order",
    "PairNoise",
    "RaggedSequences",
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
    "Stream",
    "SymmetricNoise",
    "Tabular",
    "TextSequences",
    "Thermometer",
    "TrivialAugment",
    "Vocabulary",
    "Wine",
    "make_split",
]
