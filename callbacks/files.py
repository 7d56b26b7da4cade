"""Text files written as a whole or not at all, and paths as a person types them."""

from pathlib import Path

from datamodules.atomic_write import atomic_write


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, atomically."""
    with atomic_write(path) as file:
        file.write(text.encode())


def display_path(path: Path | str) -> str:
    """Return a path as a person would type it: relative below the working directory, else absolute."""
    absolute = Path(path).absolute()
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute)
