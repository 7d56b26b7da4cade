"""The files of a run's folder, which a stranger may have made: read within limits, through no link; nothing is run."""

import json
import os
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from datamodules.regular_files import HostileFileError, check_regular, read_bytes
from models.bounded_yaml import load_yaml
from scripts.report.values import mapping

LARGEST_TEXT = 8 * 2**20  # bytes of a JSON or YAML file
MOST_ENTRIES = 10_000  # of a folder that are looked at


class RunFolder:
    """Reads the files of a run's folder.

    Args:
        path: The folder.

    Attributes:
        problems: A line for each file that is not as it should be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []

    def regular(self, name: str, largest: int) -> Path | None:
        """Return a file's path if it may be read; None if it is not there, or, after a problem is noted, may not."""
        path = self.path / name
        try:
            for place in (path, *path.parents):
                if place == self.path:
                    break
                if place.is_symlink():
                    raise HostileFileError(place, "a link, which is not followed")
            check_regular(path, largest)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self._note(name, error)
            return None
        return path

    def read(self, name: str, largest: int) -> bytes | None:
        """Return a file's content; None if it is not there, or, after a problem is noted, if it cannot be read."""
        path = self.regular(name, largest)
        try:
            return None if path is None else read_bytes(path, largest)
        except OSError as error:
            self._note(name, error)
            return None

    def _note(self, name: str, error: OSError) -> None:
        is_hostile = isinstance(error, HostileFileError)
        self.problems.append(f"{name} is not read: {'it is ' if is_hostile else ''}{error.strerror or error}")

    def json(self, name: str) -> dict[str, Any]:
        """Return the content of a JSON file, {} if there is none."""
        content = self.read(name, LARGEST_TEXT)
        if content is None:
            return {}
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):  # half-written, no text, or nested too deeply
            self.problems.append(f"{name} is not read: it is damaged or not JSON")
            return {}
        if not isinstance(found, dict):
            self.problems.append(f"{name} is not read: it holds no keys")
        return mapping(found)

    def text(self, name: str) -> str:
        """Return the content of a text file, "" if there is none."""
        return (self.read(name, LARGEST_TEXT) or b"").decode(errors="replace")

    def yaml(self, name: str) -> tuple[str, dict[str, Any]]:
        """Return the content of a YAML file, and what it says; ("", {}) if there is none."""
        content = self.read(name, LARGEST_TEXT)
        if content is None:
            return "", {}
        text = content.decode(errors="replace")
        try:
            found = load_yaml(text)
        except yaml.YAMLError as error:
            self.problems.append(f"{name} is not read as YAML: {' '.join(str(error).split())}")
            return text, {}
        if not isinstance(found, dict):
            self.problems.append(f"{name} is not read: it holds no keys")
        return text, mapping(found)

    def names(self, below: str, pattern: str) -> list[str]:
        """Return the sorted names, from the run's folder on, of the entries of a folder in it that match a pattern."""
        folder = self.path / below
        if folder != self.path and folder.is_symlink():
            self.problems.append(f"{below} is not read: it is a link, which is not followed")
            return []
        try:
            with os.scandir(folder) as entries:
                found = [entry.name for entry in islice(entries, MOST_ENTRIES)]
        except OSError:
            return []
        return sorted(str(Path(below) / name) for name in found if Path(name).match(pattern))
