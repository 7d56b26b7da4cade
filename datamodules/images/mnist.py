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
from typing_extensions import override

from datamodules.augmentation import Augmentation, HorizontalFlip
from datamodules.base import DataModule
from datamodules.errors import DataError
from datamodules.images.downloads import made_folders
from datamodules.regular_files import HostileFileError, check_regular, unpack_gzip
from datamodules.samples import Samples
from datamodules.splitting.duplicates import DIGEST_BYTES, Digests, sample_digests

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
IMAGE_SIZE = (28, 28)
ADVICE = "delete all four files to download them again, or set data.verify false if they are your own"
MAGIC = 0x800  # of IDX files of bytes; the number of dimensions is added


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
    # BLAKE2b of the published labels, and of the digests of the published images: the search for duplicates needs
    # these anyway, where torchvision's MD5 of the files, which stands for the same bytes, takes half as long again.
    published_digests: ClassVar[dict[str, str]] = {
        TRAIN_IMAGES: "f8a6f22cc79f9174f93e093c1cd3bb87",
        TRAIN_LABELS: "c142f118bb9591d78225d991fff0988b",
        TEST_IMAGES: "c91c5ccd9031f61cf267433fce39b6ae",
        TEST_LABELS: "0feb7208c89c7a7f1eecc042eddac46b",
    }

    def __init__(self, data_dir: str = "data", verify: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_dir = Path(data_dir)
        self.verify = verify
        self._digests: Digests | None = None

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
        try:
            train_images, train_targets = self._read(TRAIN_IMAGES, TRAIN_LABELS)
            test_images, test_targets = self._read(TEST_IMAGES, TEST_LABELS)
        except DataError as error:
            if not self.verify:
                raise
            raise DataError(f"{error}; {ADVICE}") from error
        inputs = torch.cat([train_images, test_images]).unsqueeze(1)
        official_test = np.arange(len(train_images), len(inputs), dtype=np.int64)
        targets = torch.cat([train_targets, test_targets])
        self._digests = sample_digests(inputs)
        if self.verify:
            self._check_published(self._digests, targets, len(train_targets))
        return Samples(inputs, targets, official_test)

    @override
    def digests(self) -> Digests:
        # A subclass may change what it has read.
        as_read = self._digests if type(self).load is MNIST.load else None
        return super().digests() if as_read is None else as_read

    def _read(self, images_name: str, labels_name: str) -> tuple[Tensor, Tensor]:
        images_path, labels_path = self.folder / images_name, self.folder / labels_name
        images, labels = _read_idx(images_path, 3), _read_idx(labels_path, 1).long()
        if len(images) != len(labels):
            raise DataError(f"{images_path} holds {len(images)} images, {labels_path} {len(labels)} labels")
        if tuple(images.shape[1:]) != IMAGE_SIZE:
            raise DataError(f"{images_path} holds images of {tuple(images.shape[1:])}, not {IMAGE_SIZE}")
        if len(labels) and int(labels.max()) >= self.num_classes:
            raise DataError(f"{labels_path} holds label {int(labels.max())}; there are {self.num_classes} classes")
        return images, labels

    def _check_published(self, digests: Digests, targets: Tensor, train: int) -> None:
        labels = targets.to(torch.uint8).numpy()
        content = {
            TRAIN_IMAGES: digests[:train],
            TRAIN_LABELS: labels[:train],
            TEST_IMAGES: digests[train:],
            TEST_LABELS: labels[train:],
        }
        for name, values in content.items():
            digest = hashlib.blake2b(values.tobytes(), digest_size=DIGEST_BYTES).hexdigest()
            if self.published_digests.get(name, digest) != digest:
                raise DataError(f"{self.folder / name} is not the published file (its content differs); {ADVICE}")


class FashionMNIST(MNIST):
    """FashionMNIST (Xiao et al., 2017): MNIST's format, sizes and split with ten kinds of clothing.

    The arguments are `MNIST`'s. Unpacked files have no published checksum: only their format is checked. Training
    images are flipped left to right by default.
    """

    class_names = tuple(datasets.FashionMNIST.classes)
    source = datasets.FashionMNIST
    published_digests: ClassVar[dict[str, str]] = {}

    @override
    def default_augmentation(self) -> list[Augmentation]:
        return [HorizontalFlip()]


def _md5(path: Path) -> str:
    if not path.is_file():
        raise DataError(f"{path} is missing")
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _read_idx(path: Path, dimensions: int) -> Tensor:
    """Return the bytes that an IDX file holds, with so many dimensions."""
    try:
        check_regular(path)
        content = np.fromfile(path, np.uint8)
        start = 4 * (1 + dimensions)
        magic, *shape = content[:start].view(">i4").tolist()
        if magic != MAGIC + dimensions or min(shape) < 1:
            raise ValueError(magic)
        return torch.from_numpy(content[start:].reshape(shape))
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing") from error
    except HostileFileError as error:
        raise DataError(f"{path} cannot be opened ({error.strerror})") from error
    except ValueError as error:
        raise DataError(f"{path} is not a whole IDX file of bytes (truncated or corrupt)") from error
