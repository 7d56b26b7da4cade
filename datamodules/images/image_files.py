"""The image files in a folder: subfolders name their classes, and their parts if there are any."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torchvision.datasets.folder import IMG_EXTENSIONS

from datamodules.errors import DataError
from datamodules.splitting.splits import PARTS
from datamodules.splitting.subsets import Indices

SUFFIXES = (*IMG_EXTENSIONS, ".gif")
PART_FOLDERS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}


@dataclass(frozen=True)
class ImageFile:
    """One file, with size and time to detect changes.

    Attributes:
        path: Its path.
        size: Its length in bytes.
        modified: Time of the last write, in nanoseconds.
    """

    path: Path
    size: int
    modified: int


@dataclass(frozen=True)
class ImageFiles:
    """The image files of a dataset, in an order that is the same on every machine.

    Attributes:
        root: Folder of the dataset.
        files: N files, part after part, class after class, by name.
        targets: Class of each, (N,), int64.
        class_names: C names, sorted.
        parts: Indices of the files of each part that has a folder of its own; empty if none has.
        ignored: Number of ignored files: hidden ones, and files without an image's suffix.
    """

    root: Path
    files: list[ImageFile]
    targets: Indices
    class_names: tuple[str, ...]
    parts: dict[str, Indices]
    ignored: int


def list_images(root: Path) -> ImageFiles:
    """List the images of `root`/<class>/, or of `root`/train/<class>/ and, if they exist, val/ and test/.

    Raises:
        DataError: `root` is not a folder, there are fewer than two classes, one of them is empty, or parts have
            different classes.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; set data.data_dir to the folder of the images")
    folders = _part_folders(root)
    classes = {part: _class_folders(folder) for part, folder in (folders or {"": root}).items()}
    names = _agreed_names(classes, folders)
    files: list[ImageFile] = []
    targets: list[int] = []
    parts, ignored = {}, 0
    for part, named in classes.items():
        first = len(files)
        for number, name in enumerate(names):
            found, others = _list_class(named[name])
            files += found
            targets += [number] * len(found)
            ignored += others
        parts[part] = np.arange(first, len(files), dtype=np.int64)
    return ImageFiles(root, files, np.array(targets, dtype=np.int64), names, parts if folders else {}, ignored)


def _part_folders(root: Path) -> dict[str, Path]:
    """Return the folders of the parts, in the order train, val, test; none if classes lie in `root`."""
    there = {part: [root / name for name in PART_FOLDERS[part] if (root / name).is_dir()] for part in PARTS}
    for part, found in there.items():
        if len(found) > 1:
            raise DataError(f"{found[0]} and {found[1]} both look like the {part} part; rename one")
    folders = {part: found[0] for part, found in there.items() if found}
    if not folders:
        return {}
    if "train" not in folders:
        raise DataError(f"{next(iter(folders.values()))} exists and {root / 'train'} does not; add it")
    others = [path.name for path in _folders(root) if path not in folders.values()]
    if others:
        raise DataError(
            f"{root / others[0]} lies beside the part {folders['train']}; move it out of {root}, or rename a class "
            f"that is called train, val or test"
        )
    return folders


def _class_folders(folder: Path) -> dict[str, Path]:
    named = {path.name: path for path in _folders(folder)}
    if len(named) < 2:
        there = f"one class folder ({next(iter(named))})" if named else "no class folders"
        raise DataError(f"{folder} holds {there}; put the images of two or more classes into {folder}/<class>/")
    return named


def _agreed_names(classes: dict[str, dict[str, Path]], folders: dict[str, Path]) -> tuple[str, ...]:
    first, *rest = classes
    names = set(classes[first])
    for part in rest:
        differing = sorted(names ^ set(classes[part]))
        if differing:
            has, lacks = (first, part) if differing[0] in names else (part, first)
            raise DataError(
                f"{folders[has]} has the class {differing[0]!r} and {folders[lacks]} has not "
                f"({len(differing)} differ); every part needs every class"
            )
    return tuple(sorted(names))


def _list_class(folder: Path) -> tuple[list[ImageFile], int]:
    """Return the images below a folder, sorted, and the number of other files."""
    images, ignored = [], 0
    for entry in _files_below(folder):
        if entry.name.startswith(".") or not entry.name.lower().endswith(SUFFIXES):
            ignored += 1
            continue
        status = entry.stat()
        images.append(ImageFile(Path(entry.path), status.st_size, status.st_mtime_ns))
    if not images:
        raise DataError(f"{folder} holds no images ({', '.join(SUFFIXES)}); fill it or remove it")
    return sorted(images, key=lambda image: image.path.parts), ignored


def _files_below(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_dir():
                yield entry
            elif not entry.name.startswith(".") and not entry.is_symlink():  # a link may form a cycle
                yield from _files_below(Path(entry.path))


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
