"""Plain values that a stranger may have written: JSON and YAML may hold anything anywhere."""

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

LONGEST_TEXT = 2000  # characters of one value that is shown
MOST_VALUES = 5000  # of one file that are shown
MOST_LEVELS = 20
MOST_NUMBERS = 2000  # of one mapping


def mapping(value: Any) -> dict[str, Any]:
    """Return a mapping with its keys as texts; {} for anything else."""
    return {str(key): item for key, item in value.items()} if isinstance(value, dict) else {}


def number(value: Any) -> float | None:
    """Return a number as a float, None for anything else; one too large for a float is infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def numbers(value: Any) -> dict[str, float]:
    """Return those entries of a mapping that are numbers, of a stranger's endless one the first."""
    found = {name: number(item) for name, item in islice(mapping(value).items(), MOST_NUMBERS)}
    return {name: item for name, item in found.items() if item is not None}


def text(value: Any) -> str:
    """Return a text, "" for anything else, cut where it is very long."""
    return shortened(value) if isinstance(value, str) else ""


def shortened(value: str) -> str:
    """Return the beginning of a text that is very long."""
    return value if len(value) <= LONGEST_TEXT else f"{value[:LONGEST_TEXT]}…"


def inside(value: Any, *keys: str) -> Any:
    """Return what a path of keys leads to in nested mappings, None where it ends."""
    for key in keys:
        value = mapping(value).get(key)
    return value


def class_name(value: Any) -> str:
    """Return the short name of the class of {"class_path", "init_args"} or of its path, "" without one."""
    return text(value if isinstance(value, str) else inside(value, "class_path")).rsplit(".", 1)[-1]


def in_words(value: Any) -> str:
    """Return a plain value as a person would write it: objects as calls, lists in brackets."""
    pieces: list[str] = []
    left = LONGEST_TEXT
    for piece in _pieces(value):
        pieces.append(piece)
        left -= len(piece)
        if left < 0:
            break
    return shortened("".join(pieces))


def _pieces(value: Any, level: int = 0) -> Iterator[str]:
    if level > MOST_LEVELS:
        yield "…"
    elif isinstance(value, dict) and class_name(value):
        yield f"{class_name(value)}("
        stated = {name: item for name, item in mapping(value.get("init_args")).items() if item is not None}
        for count, (name, item) in enumerate(stated.items()):
            yield f"{', ' if count else ''}{name}="
            yield from _pieces(item, level + 1)
        yield ")"
    elif isinstance(value, dict):
        for count, (name, item) in enumerate(mapping(value).items()):
            yield f"{', ' if count else ''}{name} "
            yield from _pieces(item, level + 1)
    elif isinstance(value, list):
        for count, item in enumerate(value):
            yield ", " if count else "["
            yield from _pieces(item, level + 1)
        yield "]" if value else "none"
    elif value is None:
        yield "none"
    elif isinstance(value, bool):
        yield "yes" if value else "no"
    else:
        yield f"{value:g}" if isinstance(value, float) else str(value)


def flat(value: Any, prefix: str = "") -> dict[str, str]:
    """Return nested settings as {"model.network": "MLP", "model.network.dropout": "0.2"}, at most 5,000 of them."""
    found: dict[str, str] = {}
    for name, item in _leaves(value, prefix):
        found[name] = item
        if len(found) >= MOST_VALUES:
            break
    return found


def _leaves(value: Any, prefix: str, level: int = 0) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict) or level > MOST_LEVELS:
        yield prefix, in_words(value)
        return
    name = class_name(value)
    if name:
        yield prefix, name
    for key, item in mapping(value.get("init_args") if name else value).items():
        yield from _leaves(item, f"{prefix}.{key}" if prefix else key, level + 1)
