"""Downloads that leave no empty folders behind where they fail."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def made_folders(folder: Path) -> Iterator[None]:
    """On an error, remove the folders that have been made for `folder`, unless files are in them."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    except BaseException:
        for path in made:
            with suppress(OSError):
                path.rmdir()
        raise
