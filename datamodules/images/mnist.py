"""MNIST and FashionMNIST, from their IDX files."""

import hashlib
import zlib
from http.client import HTTPException
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torchvision import datasets
from torchvision.datasets.mnist import read_image_file, read_label_file
from typing_extensions import override

from datamodules.augmentation import Augmentation, HorizontalFlip
from datamodules.base import DataModule
from datamodules.errors import DataError
from datamodules.images.downloads import made_folders
from datamodules.regular_files import HostileFileError, check_regular, unpack_gzip
from datamodules.samples import Samples

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
IMAGE_SIZE = (28, 28)


class MNIST(DataModule):
    """MNIST (LeCun et al., 1998): 60,000 training and 10,000 test images (1, 28, 28) of handwritten digits.

    The four IDX files are read from `data_dir`, or from torchvision's folder `data_dir`/MNIST/raw, unpacked or as .gz;
    if there are none, they are downloaded there. The official test part is the test part.

    Args:
        data_dir: Folder of the files, or the one to download to.
        verify: Compare the files with the published checksums; switch it off for your own files in this format.
        kwargs: Arguments of `DataModule`.
    """

    class_names = tuple(str(digit) for digit in range(10))
    input_shape: tuple[int, ...] = (1, *IMAGE_SIZE)
    source: ClassVar[type[datasets.MNIST]] = datasets.MNIST
    may_change_on_resume = ("data_dir", "verify")
    # MD5 of the unpacked files; those of the .gz files are torchvision's.
    checksums: ClassVar[dict[str, str]] = {
        TRAIN_IMAGES: "6bbc9ace898e44ae57da46a324031adb",
        TRAIN_LABELS: "a25bea736e30d166cdddb491f175f624",
        TEST_IMAGES: "2646ac647ad5339dbf082846283269ea",
        TEST_LABELS: "27ae3e4e09519cfbb04c329615203637",
    }

    def __init__(self, data_dir: str = "data", verify: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_dir = Path(data_dir)
        self.verify = verify

    @property
    def folder(self) -> Path:
        """The folder that holds the files, or will hold them."""
        nested = self.data_dir / self.source.__name__ / "raw"
        here = any((self.data_dir / name).exists() or (self.data_dir / f"{name}.gz").exists() for name in FILES)
        return self.data_dir if here else nested

    def prepare_data(self) -> None:
        """Unpack or download missing files (in one process).

        Raises:
            DataError: A download failed, a file is missing, or an archive is not the published one.
        """
        folder = self.folder
        for name in FILES:
            archive = folder / f"{name}.gz"
            if not (folder / name).exists() and archive.exists():
                self._unpack(archive)
        missing = [name for name in FILES if not (folder / name).exists()]
        if not missing:
            return
        if len(missing) < len(FILES):
            raise DataError(f"{folder / missing[0]} is missing (the other files exist); restore it, or delete all")
        try:
            with made_folders(folder):
                self.source(self.data_dir, download=True)
        except (OSError, RuntimeError, EOFError, HTTPException, zlib.error) as error:
            raise DataError(
                f"{type(self).__name__} is not in {folder} and could not be downloaded ({error}); put the four IDX "
                f"files ({', '.join(FILES)}) there or set data.data_dir to their folder"
            ) from error

    def _unpack(self, archive: Path) -> None:
        published = dict(self.source.resources)
        if self.verify and _md5(archive) != published.get(archive.name):
            raise DataError(f"{archive} is not the published file (MD5 differs); delete it, or set data.verify false")
        try:
            unpack_gzip(archive, archive.with_suffix(""))
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{archive} cannot be unpacked ({error}); delete it to download it again") from error

    def load(self) -> Samples:
        """Read the four files.

        Raises:
            DataError: A file is truncated, of another format, or not the published one.
        """
        train_images, train_targets = self._read(TRAIN_IMAGES, TRAIN_LABELS)
        test_images, test_targets = self._read(TEST_IMAGES, TEST_LABELS)
        inputs = torch.cat([train_images, test_images]).unsqueeze(1)
        official_test = np.arange(len(train_images), len(inputs), dtype=np.int64)
        return Samples(inputs, torch.cat([train_targets, test_targets]), official_test)

    def _read(self, images_name: str, labels_name: str) -> tuple[Tensor, Tensor]:
        images_path, labels_path = self.folder / images_name, self.folder / labels_name
        for path in (images_path, labels_path):
            expected = self.checksums.get(path.name)
            if self.verify and expected is not None and _md5(path) != expected:
                raise DataError(
                    f"{path} is not the published file (MD5 differs): truncated or altered; delete all four to "
                    f"download them again, or set data.verify false if they are your own"
                )
        images, labels = _read_idx(images_path, read_image_file), _read_idx(labels_path, read_label_file)
        if len(images) != len(labels):
            raise DataError(f"{images_path} holds {len(images)} images, {labels_path} {len(labels)} labels")
        if tuple(images.shape[1:]) != IMAGE_SIZE:
            raise DataError(f"{images_path} holds images of {tuple(images.shape[1:])}, not {IMAGE_SIZE}")
        if len(labels) and int(labels.max()) >= self.num_classes:
            raise DataError(f"{labels_path} holds label {int(labels.max())}; there are {self.num_classes} classes")
        return images, labels


class FashionMNIST(MNIST):
    """FashionMNIST (Xiao et al., 2017): MNIST's format, sizes and split with ten kinds of clothing.

    The arguments are `MNIST`'s. Unpacked files have no published checksum: only their format is checked. Training
    images are flipped left to right by default.
    """

    class_names = tuple(datasets.FashionMNIST.classes)
    source = datasets.FashionMNIST
    checksums: ClassVar[dict[str, str]] = {}

    @override
    def default_augmentation(self) -> list[Augmentation]:
        return [HorizontalFlip()]


def _md5(path: Path) -> str:
    if not path.is_file():
        raise DataError(f"{path} is missing")
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _read_idx(path: Path, read: Any) -> Tensor:
    try:
        check_regular(path)
        tensor: Tensor = read(str(path))
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing") from error
    except HostileFileError as error:
        raise DataError(f"{path} cannot be opened ({error.strerror})") from error
    except (AssertionError, ValueError, TypeError, KeyError, RuntimeError, IndexError) as error:
        raise DataError(f"{path} is not a whole IDX file of bytes (truncated or corrupt)") from error
    return tensor
