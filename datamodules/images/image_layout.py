"""What the folders of a dataset of images are: its parts, its classes, or neither."""

import os
from pathlib import Path

from datamodules.errors import DataError
from datamodules.images.class_files import check_name, is_folder
from datamodules.splitting.part_names import may_be_class, part_of
from datamodules.splitting.splits import PARTS


def part_folders(root: Path) -> dict[str, Path]:
    """Return the folders of the parts, in the order train, val, test; none if classes lie in `root`.

    They are called as in `datamodules.splitting.part_names`.

    Raises:
        DataError: Two folders look like one part, there is none for training, or other folders lie beside the parts.
    """
    part_at = {path: part_of(path.name) for path in subfolders(root)}
    if "train" not in part_at.values():
        part_at = {path: None if may_be_class(path.name) else part for path, part in part_at.items()}
    there = {part: [path for path, name in part_at.items() if name == part] for part in PARTS}
    for part, found in there.items():
        if len(found) > 1:
            raise DataError(f"{found[0]} and {found[1]} both look like the {part} part; rename one")
    folders = {part: found[0] for part, found in there.items() if found}
    if not folders:
        return {}
    if "train" not in folders:
        raise DataError(f"{next(iter(folders.values()))} exists and {root / 'train'} does not; add it")
    others = [path.name for path in part_at if path not in folders.values()]
    if others:
        raise DataError(
            f"{root / others[0]} lies beside the part {folders['train']}; move it out of {root}, or rename a class "
            f"that is called train, val or test"
        )
    return folders


def check_classes(folder: Path, classes: list[Path]) -> None:
    """Check that folders do not all hold the same folders and nothing else, as parts or sources do and classes do not.

    Args:
        folder: The folder that holds them.
        classes: Two or more folders.

    Raises:
        DataError: They do; the message says what they look like.
    """
    unpacked = [_unpacked(path) for path in classes]
    shared = sorted(set.intersection(*({path.name for path in subfolders(path)} for path in unpacked)))
    if len(shared) < 2 or any(_holds_files(path) for path in unpacked):
        return
    outer, inner = _some([path.name for path in classes]), _some(shared)
    if all(part_of(name) for name in shared):
        raise DataError(
            f"{folder} looks like classes ({outer}) that are each divided into parts ({inner}); move the images to "
            f"{folder}/<part>/<class>/, as in {folder / shared[0] / classes[0].name}"
        )
    raise DataError(
        f"{folder} looks like parts or sources, not classes: {outer} all hold the folders {inner}; if these are the "
        f"classes, call the parts train, val and test or set data.data_dir to one of them; if not, move the images up"
    )


def _unpacked(folder: Path) -> Path:
    """Return the folder within, where a folder holds nothing but another, as unpacked archives often do."""
    inside = subfolders(folder)
    return _unpacked(inside[0]) if len(inside) == 1 and not _holds_files(folder) else folder


def _holds_files(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(not is_folder(entry) and not entry.name.startswith(".") for entry in entries)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f", … ({len(names)})" if len(names) > 3 else "")


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted; hidden ones do not count."""
    with os.scandir(folder) as entries:  # knows folders without asking for each file
        found = sorted(folder / entry.name for entry in entries if entry.name[0] != "." and is_folder(entry))
    for path in found:
        check_name(path)
    return found
