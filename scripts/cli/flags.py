"""Unknown flags, refused before the parser, and with a start-up cache before torch, is imported; the closest names."""

import difflib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from scripts.cli.errors import UsageError

FLAG = re.compile(r"--[A-Za-z][\w.-]*\+?(?==|$)")
ANY_BELOW = ".*"  # `--model.*`: which flags there are depends on the classes chosen; the parser knows
CLASS_KEYS = ("init_args", "class_path")
RECIPE_ENDINGS = (".yaml", ".yml")
CONFIG = ("-c", "--config")


def check_flags(words: Sequence[str], known: Sequence[str], below: Sequence[str]) -> None:
    """Check that a job has the flags that it is given.

    Args:
        words: The words after the job's name.
        known: The flags that the job takes; `--model.*` stands for any below `--model`.
        below: Flags that depend on the classes chosen, to suggest from.

    Raises:
        UsageError: A flag is unknown; the message suggests the closest one.
    """
    exact = set(known)
    for word in words:
        match = FLAG.match(word)
        if match is None:
            continue
        flag = match[0].rstrip("+")
        keys = [key for key in flag.removeprefix("--").split(".") if key not in CLASS_KEYS]
        if f"--{'.'.join(keys[:2])}" not in exact and f"--{keys[0]}{ANY_BELOW}" not in exact:
            raise UsageError(unknown_flag(flag, [*known, *below]))


def check_files(words: Sequence[str]) -> None:
    """Check that the recipes are there, before what takes seconds to import.

    Raises:
        UsageError: One is not.
    """
    for number, word in enumerate(words):
        flag, given, value = word.partition("=")
        if not given:
            value = words[number + 1] if number + 1 < len(words) else ""
        if value and flag in CONFIG and value.endswith(RECIPE_ENDINGS) and not os.path.lexists(value):
            raise UsageError(missing_file(Path(value)))


def missing_file(path: Path) -> str:
    """Return the message for a missing file, with the closest name in its folder."""
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    if not path.parent.is_dir():
        return f"no file {shown} (there is no folder {shown.parent})"
    names = [str(shown.parent / entry.name) for entry in path.parent.iterdir() if entry.is_file()]
    return f"no file {shown}" + did_you_mean(str(shown), names)


def unknown_flag(flag: str, known: Iterable[str]) -> str:
    """Return that a flag is unknown, and the closest of those that there are."""
    plain = [name for name in known if not name.endswith((ANY_BELOW, ".help"))]
    return f"unknown argument {flag}{suggest_flag(flag, plain)}"


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return "; did you mean X?" for the closest candidate, "" if none is close."""
    candidates = list(dict.fromkeys(candidates))
    close = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    if not close:
        lowered = {candidate.lower(): candidate for candidate in candidates}
        close = [lowered[match] for match in difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)]
    return f"; did you mean {close[0]}?" if close else ""


def suggest_flag(flag: str, known: Iterable[str]) -> str:
    """Return "; did you mean X?" for the closest known flag, "" if none is close.

    A flag may also be the end of a longer one (`--optimizer.lr`, `--lr`), or a part of its last word (`--epochs` of
    `--trainer.max_epochs`). Of flags that are equally close the first is taken.
    """
    known = list(known)
    above, _, word = flag.removeprefix("--").rpartition(".")
    if above:
        likeness = {name: _likeness(flag, name) + name.endswith(f".{above}.{word}") for name in known}
        return _closest(likeness, 0.6)
    top = {name: _word_likeness(word, name.removeprefix("--")) for name in known if "." not in name}
    longer = {name: _word_likeness(word, name.rsplit(".", 1)[-1]) for name in known if "." in name}
    return _closest(top, 0.7) or _closest(longer, 0.7)


def _closest(likeness: dict[str, float], cutoff: float) -> str:
    best = max(likeness, key=lambda name: likeness[name], default="")
    return f"; did you mean {best}?" if best and likeness[best] >= cutoff else ""


def _word_likeness(word: str, name: str) -> float:
    return _likeness(word, name) + 0.4 * (word in name.split("_"))


def _likeness(word: str, name: str) -> float:
    return difflib.SequenceMatcher(None, word, name).ratio()


def check_text(word: str) -> None:
    """Check that a word can be written into a recipe and read again.

    Raises:
        UsageError: It is not UTF-8, or it holds a character that no file's name has.
    """
    if "\0" in word:
        raise UsageError(f"{word!r} holds a null character; leave it out")
    try:
        word.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{word!r} is not UTF-8; rename the file or folder") from error
