"""The Python files in the working directory, and the classes in them, to suggest from; none is imported."""

import ast
from collections.abc import Iterator
from pathlib import Path

from datamodules.regular_files import read_text
from scripts.cli.flags import did_you_mean

MOST_CLASSES = 8  # of a file, that a message names
LARGEST_FILE = 2**20  # bytes
MOST_FILES = 100  # in a folder of more, nobody waits for a suggestion


def file_of(module: str) -> Path | None:
    """Return the file below the working directory that a module is imported from: of "mine.nets", mine/nets.py."""
    parts = module.split(".")
    if not all(map(str.isidentifier, parts)):
        return None
    path = Path(*parts).with_suffix(".py")
    return path if path.is_file() else None


def classes_in(file: Path) -> list[str]:
    """Return the names of the classes that a Python file defines, [] if it cannot be read."""
    try:
        tree = ast.parse(read_text(file, largest=LARGEST_FILE))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):  # the last two of deep nesting
        return []
    return [node.name for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]


def own_hint(name: str) -> str | None:
    """Return what to suggest for a name that no class has, "; did you mean mine.Net?", from the user's own files.

    Args:
        name: A path, "mine.nett"; a file's module, "mine", or its name, "mine.py"; or the name of a class, "Net".
    """
    module, _, last = name.removesuffix(".py").rpartition(".")
    if file := file_of(name.removesuffix(".py")):
        return f"; {_content(file)}"
    if module:
        file = file_of(module)
        return _closest(file, last) if file else None
    path = next((path for path in _paths() if path.rpartition(".")[2].lower() == name.lower()), None)
    return f"; did you mean {path}?" if path else None


def _closest(file: Path, name: str) -> str:
    closest = did_you_mean(name, classes_in(file))
    return closest.replace("did you mean ", f"did you mean {_module(file)}.") or f"; {_content(file)}"


def _content(file: Path) -> str:
    paths = [f"{_module(file)}.{name}" for name in classes_in(file)]
    more = ", ..." if len(paths) > MOST_CLASSES else ""
    return f"{file} has {', '.join(paths[:MOST_CLASSES])}{more}" if paths else f"{file} has no classes"


def _module(file: Path) -> str:
    return ".".join(file.with_suffix("").parts)


def _paths() -> Iterator[str]:
    files = sorted(Path().glob("*.py"))
    for file in files if len(files) <= MOST_FILES else ():
        yield from (f"{file.stem}.{name}" for name in classes_in(file))
