"""The flags of a job: refuses unknown ones before the parser, and with a start-up cache before torch, is imported."""

import difflib
import re
from collections.abc import Iterable, Sequence

from scripts.cli.errors import UsageError

FLAG = re.compile(r"--[A-Za-z][\w.]*\+?(?==|$)")
ANY_BELOW = ".*"  # `--model.*`: which flags there are depends on the classes chosen; the parser knows
CLASS_KEYS = ("init_args", "class_path")
CLOSE, CLOSE_WORD = 0.6, 0.7  # ratio from which a flag, or its last word, is suggested


def check_flags(words: Sequence[str], known: Iterable[str], below: Iterable[str]) -> None:
    """Check that a job has the flags that it is given.

    Args:
        words: The words after the job's name.
        known: The flags that the job takes; `--model.*` stands for any below `--model`.
        below: Flags that depend on the classes chosen, to suggest from.

    Raises:
        UsageError: A flag is unknown; the message suggests the closest one.
    """
    known = list(known)
    exact = set(known)
    for word in words:
        match = FLAG.match(word)
        if match is None:
            continue
        flag = match[0].rstrip("+")
        keys = [key for key in flag.removeprefix("--").split(".") if key not in CLASS_KEYS]
        if f"--{'.'.join(keys[:2])}" not in exact and f"--{keys[0]}{ANY_BELOW}" not in exact:
            plain = [name for name in known if not name.endswith(ANY_BELOW)]
            raise UsageError(f"unknown argument {flag}{suggest_flag(flag, [*plain, *below])}")


def suggest_flag(flag: str, known: Sequence[str]) -> str:
    """Return "; did you mean X?" for the closest flag, "" if none is close.

    A flag may be the end of a longer one (`--lr`, `--optimizer.lr`) or part of its last word (`--epochs` of
    `--trainer.max_epochs`). Of flags that are equally close the first is taken.
    """
    key = flag.removeprefix("--")
    if "." in key:
        return _closest({name: _likeness(flag, name) + name.endswith(f".{key}") for name in known}, CLOSE)
    top = {name: _word_likeness(key, name.removeprefix("--")) for name in known if "." not in name}
    longer = {name: _word_likeness(key, name.rsplit(".", 1)[-1]) for name in known if "." in name}
    return _closest(top, CLOSE_WORD) or _closest(longer, CLOSE_WORD)


def _closest(likeness: dict[str, float], cutoff: float) -> str:
    best = max(likeness, key=lambda name: likeness[name], default="")
    return f"; did you mean {best}?" if best and likeness[best] >= cutoff else ""


def _word_likeness(word: str, name: str) -> float:
    return _likeness(word, name) + 0.4 * (word in name.split("_"))


def _likeness(word: str, name: str) -> float:
    return difflib.SequenceMatcher(None, word, name).ratio()
