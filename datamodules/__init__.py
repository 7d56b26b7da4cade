"""Datasets: split without leaks, normalised from the training part, batched from memory."""

from datamodules.augmentation import Augmentation, HorizontalFlip, RandomTranslate
from datamodules.base import DataModule
from datamodules.digits import Digits
from datamodules.errors import DataError
from datamodules.in_memory import InMemoryDataModule
from datamodules.loader import InMemoryLoader
from datamodules.mnist import MNIST, FashionMNIST
from datamodules.row_sequences import DigitRows, FashionMNISTRows, MNISTRows, RowSequences
from datamodules.samples import Samples
from datamodules.sequence_files import SequenceFiles
from datamodules.sequences import SequenceDataModule, Sequences
from datamodules.splits import Split, SplitOptions, make_split
from datamodules.synthetic_sequences import AddingProblem, DelayedEcho
from datamodules.tabular import BreastCancer, Diabetes, Iris, Tabular, Wine
from datamodules.thermometer import Thermometer

__all__ = [
    "MNIST",
    "AddingProblem",
    "Augmentation",
    "BreastCancer",
    "DataError",
    "DataModule",
    "DelayedEcho",
    "Diabetes",
    "DigitRows",
    "Digits",
    "FashionMNIST",
    "FashionMNISTRows",
    "HorizontalFlip",
    "InMemoryDataModule",
    "InMemoryLoader",
    "Iris",
    "MNISTRows",
    "RandomTranslate",
    "RowSequences",
    "Samples",
    "SequenceDataModule",
    "SequenceFiles",
    "Sequences",
    "Split",
    "SplitOptions",
    "Tabular",
    "Thermometer",
    "Wine",
    "make_split",
]
