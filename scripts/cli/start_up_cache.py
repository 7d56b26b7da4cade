"""What the command answered before, on disk, so that the next answer need not wait for torch to be imported.

The file lies in `$XDG_CACHE_HOME/holdout` (or `~/.cache/holdout`), one for each checkout. It holds text and names of
flags only, and counts only for the versions and source files that it was written for. If it cannot be read or written,
the command computes its answers anew.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGES = ("models", "datamodules", "callbacks", "scripts")
LIBRARIES = ("torch", "torchvision", "lightning", "jsonargparse", "docstring_parser")
VERSIONED = (*PACKAGES, *LIBRARIES)  # an answer about their classes counts until one of them changes


@dataclass
class StartUpCache:
    """Answers of one state of the project and its libraries.

    Attributes:
        known: The flags of each job.
        below: For each job, the flags that depend on the classes chosen.
        pages: Help by question, such as "fit model.network MLP".
    """

    known: dict[str, list[str]] = field(default_factory=dict)
    below: dict[str, list[str]] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls) -> "StartUpCache":
        """Return what is kept; nothing if the file is for another state, or cannot be read."""
        try:
            held = json.loads(cache_file().read_text(encoding="utf-8"))
            if held["state"] != state():
                return cls()
            kept = cls(held["known"], held["below"], held["pages"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return cls()
        return kept if kept._is_plain() else cls()

    def write(self) -> None:
        """Replace the file, whole or not at all."""
        path = cache_file()
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(f".{os.getpid()}")
            try:
                temporary.write_text(json.dumps({"state": state(), **asdict(self)}), encoding="utf-8")
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)

    def _is_plain(self) -> bool:
        """Return whether this holds text and names of flags, as a file of ours does."""
        return (
            _maps(self.pages, lambda page: isinstance(page, str))
            and _maps(self.known, _are_flags)
            and _maps(self.below, _are_flags)
            and self.known.keys() == self.below.keys()
        )


def cache_file() -> Path:
    """Return the file of this checkout."""
    return cache_folder() / f"start_up-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]}.json"


def cache_folder() -> Path:
    """Return the folder for what is kept from one command to the next; below no folder where nothing can be."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(base) if base and Path(base).is_absolute() else Path("~/.cache").expanduser()
    except RuntimeError:  # without a home directory nothing is cached
        folder = Path(os.devnull)
    return folder / "holdout"


def state() -> str:
    """Return a digest of all that an answer depends on: versions, and size and time of this project's source files."""
    facts = [sys.version, *(f"{name} {_version(name)}" for name in LIBRARIES)]
    for package in PACKAGES:
        for folder, _, names in os.walk(ROOT / package):
            for name in sorted(names):
                if name.endswith(".py"):
                    path = os.path.join(folder, name)  # noqa: PTH118  a third of the time
                    found = os.stat(path)  # noqa: PTH116
                    facts.append(f"{path} {found.st_size} {found.st_mtime_ns}")
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _maps(value: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) and fits(item) for key, item in value.items())


def _are_flags(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(flag, str) for flag in value)
