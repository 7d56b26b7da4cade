"""The image files in a folder: subfolders name their classes, and their parts if there are any."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.errors import DataError
from datamodules.images.class_files import SUFFIXES, ImageFile, list_class
from datamodules.images.image_layout import check_classes, part_folders, subfolders
from datamodules.splitting.subsets import Indices


@dataclass(frozen=True)
class ImageFiles:
    """The image files of a dataset, in an order that is the same on every machine.

    Attributes:
        root: Folder of the dataset.
        files: N files, part after part, class after class, by name.
        targets: Class of each, (N,), int64.
        class_names: C names, sorted.
        parts: Indices of the files of each part that has a folder of its own; empty if none has.
        left_out: What is not listed, counted by its kind in the singular, such as "other file" (hidden, or without an
            image's suffix), "stray image" (outside the class folders), "hidden folder" or "repeated link".
    """

    root: Path
    files: list[ImageFile]
    targets: Indices
    class_names: tuple[str, ...]
    parts: dict[str, Indices]
    left_out: dict[str, int]

    def names(self, numbers: list[int]) -> list[str]:
        """Return the paths of some files below `root`, with forward slashes."""
        return [self.files[number].path.relative_to(self.root).as_posix() for number in numbers]


def list_images(root: Path) -> ImageFiles:
    """List the images of `root`/<class>/, or of `root`/train/<class>/ and, if they exist, val/ and test/.

    A link is followed: to a file, and to a folder unless that leads back up or is listed already. A link that leads
    nowhere is listed, as a file of size 0.

    Raises:
        DataError: `root` is not a folder, there are fewer than two classes, one of them is empty, parts have different
            classes, the folders look like parts rather than classes, or one cannot be read.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; set data.data_dir to the folder of the images")
    try:
        return _list(root)
    except OSError as error:
        raise DataError(f"{error.filename} cannot be listed ({error.strerror})") from error


def _list(root: Path) -> ImageFiles:
    folders = part_folders(root)
    classes = {part: _class_folders(folder) for part, folder in (folders or {"": root}).items()}
    names = _agreed_names(classes, folders)
    files: list[ImageFile] = []
    targets: list[int] = []
    parts: dict[str, Indices] = {}
    left_out = Counter(_lone_files([root, *folders.values()]))
    for part, named in classes.items():
        first = len(files)
        for number, name in enumerate(names):
            found, others = list_class(named[name])
            files += found
            targets += [number] * len(found)
            left_out += others
        parts[part] = np.arange(first, len(files), dtype=np.int64)
    return ImageFiles(root, files, np.array(targets, dtype=np.int64), names, parts if folders else {}, dict(left_out))


def _lone_files(folders: list[Path]) -> list[str]:
    """Return the kind of each file that lies in no class; hidden ones are nobody's data."""
    names = [path.name for folder in folders for path in folder.iterdir() if not path.is_dir()]
    shown = [name for name in names if not name.startswith(".")]
    return ["stray image" if name.lower().endswith(SUFFIXES) else "other file" for name in shown]


def _class_folders(folder: Path) -> dict[str, Path]:
    named = {path.name: path for path in subfolders(folder)}
    if len(named) < 2:
        there = f"one class folder ({next(iter(named))})" if named else "no class folders"
        inside = len(subfolders(next(iter(named.values())))) if named else 0
        instead = f"; if its {inside} folders are the classes, use that folder" if inside > 1 else ""
        raise DataError(
            f"{folder} holds {there}; put the images of two or more classes into {folder}/<class>/{instead}"
        )
    check_classes(folder, list(named.values()))
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
