"""The original files of CIFAR-10 and CIFAR-100: found, unpacked or downloaded, verified, read."""

import gzip
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

import numpy as np
from torchvision import datasets
from torchvision.datasets.utils import check_integrity, download_url

from datamodules.atomic_write import atomic_write
from datamodules.errors import DataError
from datamodules.images.array_pickle import read_array_pickle
from datamodules.images.downloads import made_folders
from datamodules.images.image_decoding import Pixels
from datamodules.regular_files import check_regular, copy_unfolded
from datamodules.splitting.subsets import Indices

SHAPE = (3, 32, 32)


@dataclass(frozen=True)
class CIFARFiles:
    """The original files, in a folder, in torchvision's folder below it, or packed.

    Attributes:
        data_dir: Folder to look in, and to download to.
        source: torchvision's class, which knows names, address and checksums.
        labels_key: Key of the labels in the files.
        verify: Compare the files with the published checksums.
    """

    data_dir: Path
    source: type[datasets.CIFAR10]
    labels_key: str
    verify: bool

    @property
    def checksums(self) -> dict[str, str]:
        """MD5 of each file by its name."""
        meta = self.source.meta
        return {**dict(self.source.train_list), **dict(self.source.test_list), meta["filename"]: meta["md5"]}

    @property
    def folder(self) -> Path:
        """The folder that holds the files, or will hold them."""
        here = any((self.data_dir / name).is_file() for name in self.checksums)
        return self.data_dir if here else self.data_dir / str(self.source.base_folder)

    @property
    def archive(self) -> Path:
        """Path of the packed files; it may not exist."""
        return self.data_dir / str(self.source.filename)

    def there(self) -> bool:
        """Return whether any of the files exists, packed or not."""
        return self.archive.is_file() or any((self.folder / name).is_file() for name in self.checksums)

    def prepare(self) -> None:
        """Unpack or download missing files.

        Raises:
            DataError: A download failed, a file is missing, or the archive is not the published one.
        """
        missing = [name for name in self.checksums if not (self.folder / name).is_file()]
        if not missing:
            return
        if not self.archive.is_file():
            if len(missing) < len(self.checksums):
                raise DataError(f"{self.folder / missing[0]} is missing (others exist); restore it, or delete all")
            self._download()
        self._unpack(missing)

    def _download(self) -> None:
        try:
            with made_folders(self.data_dir):
                self.data_dir.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryDirectory(prefix=".download-", dir=self.data_dir) as partial:
                    download_url(self.source.url, partial, self.source.filename, self.source.tgz_md5)
                    (Path(partial) / self.source.filename).replace(self.archive)
        except (OSError, RuntimeError, EOFError, HTTPException) as error:
            raise DataError(
                f"{self.source.__name__} is not in {self.folder} and could not be downloaded ({error}); put "
                f"{self.source.filename} into {self.data_dir}, or set data.data_dir to the folder of its files or of "
                f"images (train/<class>/*.jpg, test/<class>/*.jpg)"
            ) from error

    def _unpack(self, names: list[str]) -> None:
        if self.verify and not check_integrity(self.archive, self.source.tgz_md5):
            raise DataError(
                f"{self.archive} is not the published file (MD5 differs); delete it, or set data.verify false"
            )
        try:
            check_regular(self.archive)
            with gzip.open(self.archive) as packed, tempfile.TemporaryFile(dir=self.data_dir) as unpacked:
                copy_unfolded(self.archive, packed, unpacked)  # reading its table would unfold it without a limit
                unpacked.seek(0)
                self._take_out(names, unpacked)
        except (OSError, EOFError, KeyError, RecursionError, tarfile.TarError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(f"{self.archive} cannot be unpacked ({reason}); delete it to download it again") from error

    def _take_out(self, names: list[str], unpacked: IO[bytes]) -> None:
        with tarfile.open(fileobj=unpacked, mode="r:") as members:
            for name in names:  # by name, so that the archive cannot decide where files go
                member = members.getmember(f"{self.source.base_folder}/{name}")
                file = members.extractfile(member) if member.isreg() and not member.issparse() else None
                if file is None:  # a link, which may lead to itself, a device or a folder
                    raise KeyError(f"{name} is not a file in it")
                with file, atomic_write(self.folder / name) as target:
                    copy_unfolded(self.archive, file, target)

    def class_names(self) -> tuple[str, ...]:
        """Return the class names in the files."""
        path = self.folder / self.source.meta["filename"]
        names = self._content(path).get(self.source.meta["key"])
        if not isinstance(names, list):
            raise DataError(f"{path} has no list {self.source.meta['key']}")
        return tuple(map(str, names))

    def read(self, part: str) -> tuple[Pixels, Indices]:
        """Return images (N, 3, 32, 32) and labels (N,) of the training or the test part.

        Raises:
            DataError: A file is missing, damaged, in another format, not the published one, or would run code.
        """
        names = [name for name, _ in (self.source.train_list if part == "train" else self.source.test_list)]
        batches = [self._batch(self.folder / name) for name in names]
        return np.concatenate([pixels for pixels, _ in batches]), np.concatenate([labels for _, labels in batches])

    def _batch(self, path: Path) -> tuple[Pixels, Indices]:
        content = self._content(path)
        pixels, labels = content.get("data"), content.get(self.labels_key)
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (3072,):
            raise DataError(f"{path} has no array 'data' of bytes, (N, 3072)")
        if not isinstance(labels, list) or not all(isinstance(label, int | np.integer) for label in labels):
            raise DataError(f"{path} has no list {self.labels_key!r} of numbers")
        if len(labels) != len(pixels):
            raise DataError(f"{path} holds {len(pixels)} images and {len(labels)} labels")
        return pixels.reshape(-1, *SHAPE), np.array(labels, dtype=np.int64)

    def _content(self, path: Path) -> dict[str, Any]:
        if self.verify and path.is_file() and not check_integrity(path, self.checksums[path.name]):
            raise DataError(
                f"{path} is not the published file (MD5 differs): truncated or altered; delete all of them to download "
                f"them again, or set data.verify false if they are your own"
            )
        return read_array_pickle(path)
