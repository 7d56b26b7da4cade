"""A user's own runs, told from a stranger's by a signature whose key never leaves the user's home.

A checkpoint of a run on classes of one's own names what a stranger's must not bring: classes of other packages, paths.
Training signs these names. Whoever loads the checkpoint later as the same user has them imported without being asked.

The key, 32 random bytes, lies in `$XDG_STATE_HOME/holdout/key` (or `~/.local/state/holdout/key`), readable by its owner
alone. It is made when a run first needs it, and is in no run and in no checkpoint.

What is signed: each name with its place in the recipe, and the file that each class is imported from. So the signature
says "this user has trained with this class, at this place, from this file". It protects against files of other people:

- a checkpoint or run made, or changed, by somebody without the key brings no class, file or path that was not signed;
- a signature copied into another checkpoint brings no more than the names that were signed, at their places;
- a module of the same name beside a stranger's checkpoint is another file, and is not imported.

It does not protect against whoever can write to the user's home or to the signed files. It says nothing of weights,
numbers and plain words in a recipe, which are read from a stranger's checkpoint too. A user who names a stranger's
recipe with `-c` trusts it, and signs its classes if a run is trained with them.
"""

import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Iterable, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

SIGNED_KEY = "own_names"  # of a checkpoint: the names, and their signature
KEY_BYTES = 32
PURPOSE = b"holdout: names of a user's own run, 1\n"
Name = tuple[str, str]  # place in the recipe, and text


def sign(names: Iterable[Name]) -> dict[str, Any] | None:
    """Return names and their signature, for a checkpoint; None if there is no key, or a class has no file.

    Args:
        names: What the run's recipe names and a stranger's must not, as `models.trusted` yields it.
    """
    ordered = sorted(set(names))
    files = _files(ordered)
    if any(place.endswith("class_path") and files[text] is None for place, text in ordered):
        return None
    key = _read_key() or _make_key()
    if key is None:
        return None
    return {"names": [list(name) for name in ordered], "signature": _signature(key, ordered, files)}


def signed_names(checkpoint: Mapping[str, Any]) -> frozenset[Name]:
    """Return the names that this user signed when the checkpoint was written; none if it is somebody else's.

    Nothing is imported to find out.
    """
    held = checkpoint.get(SIGNED_KEY)
    names = held.get("names") if isinstance(held, Mapping) else None
    signature = held.get("signature") if isinstance(held, Mapping) else None
    key = _read_key()
    if key is None or not isinstance(signature, str) or not isinstance(names, list) or not all(map(_is_name, names)):
        return frozenset()
    ordered = [(place, text) for place, text in names]
    expected = _signature(key, ordered, _files(ordered))
    return frozenset(ordered) if hmac.compare_digest(expected.encode(), signature.encode()) else frozenset()


def _is_name(item: Any) -> bool:
    return isinstance(item, list | tuple) and len(item) == 2 and all(isinstance(part, str) for part in item)


def _signature(key: bytes, names: list[Name], files: Mapping[str, str | None]) -> str:
    message = json.dumps([names, sorted(files.items())]).encode()
    return hmac.new(key, PURPOSE + message, hashlib.sha256).hexdigest()


def _files(names: Iterable[Name]) -> dict[str, str | None]:
    return {text: file_of_class(text) for _, text in names}


def file_of_class(path: str) -> str | None:
    """Return the file that a class ("mine.nets.Net") would be imported from, its real path; None if none is found.

    Of a package without `__init__.py` it is the folder. Nothing is imported.
    """
    found, folders = None, None
    modules = path.split(".")[:-1]
    if not modules or not all(map(str.isidentifier, modules)):
        return None
    for number in range(1, len(modules) + 1):
        try:
            spec = PathFinder.find_spec(".".join(modules[:number]), folders)
        except Exception:  # a finder of another package
            spec = None
        if spec is None:
            return None
        folders = None if spec.submodule_search_locations is None else list(spec.submodule_search_locations)
        found = spec.origin or next(iter(folders or []), None)
        if folders is None and number < len(modules):
            return None
    return None if found is None else os.path.realpath(found)


def _key_file() -> Path | None:
    base = os.environ.get("XDG_STATE_HOME")
    try:
        folder = Path(base) if base and Path(base).is_absolute() else Path("~/.local/state").expanduser()
    except RuntimeError:  # there is no home
        return None
    return folder / "holdout" / "key"


def _read_key() -> bytes | None:
    """Return the key; None if there is none, or if others may read or have written it."""
    path = _key_file()
    if path is None:
        return None
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(file, "rb") as opened:
        found = os.fstat(file)
        private = stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
        key = opened.read(KEY_BYTES + 1) if private else b""
    return key if len(key) == KEY_BYTES else None


def _make_key() -> bytes | None:
    """Make the key, unless another process is faster; return it, or None if it cannot be kept."""
    path = _key_file()
    if path is None:
        return None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f"key.{os.getpid()}")
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(file, "wb") as opened:
                opened.write(secrets.token_bytes(KEY_BYTES))
                opened.flush()
                os.fsync(opened.fileno())
            os.link(temporary, path)  # fails if there is one
        finally:
            temporary.unlink(missing_ok=True)
    except OSError:
        pass
    return _read_key()
