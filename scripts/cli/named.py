"""What a command line names at a place, before it is parsed: the parser depends on the classes of model and data."""

from collections.abc import Mapping
from typing import Any

from models.init_args import find_class
from scripts.cli.choices import exported, loaded
from scripts.cli.command_line import CommandLine
from scripts.cli.flags import CLASS_KEYS


def named_value(line: CommandLine, *keys: str, begin: Mapping[str, Any] | None = None) -> Any:
    """Return the last value that recipes and flags give at a place ("model", "network", "weights"); None without any.

    Args:
        line: The command line.
        keys: The place, without `init_args`.
        begin: Content of a recipe before those of the command line.
    """
    found: Any = None
    for content in (begin or {}, *(recipe.content for recipe in line.recipes.values())):
        value = value_below(content, *keys)
        found = found if value is None else value
    flag = f"--{'.'.join(keys)}"
    given = [flag_.value for flag_ in line.flags if place_of_flag(flag_.name) == flag]
    return found if not given else None if given[-1] == "null" else given[-1]


def named_class(line: CommandLine, base: type, *keys: str, begin: Mapping[str, Any] | None = None) -> type | None:
    """Return the class that recipes and flags name at a place, by its path or its short name; None if there is none.

    Args:
        line: The command line.
        base: What its short name is looked for among, besides the classes that this project exports.
        keys: The place, without `init_args`.
        begin: Content of a recipe before those of the command line.
    """
    value = named_value(line, *keys, begin=begin)
    path = value.get("class_path") if isinstance(value, dict) else value
    if not isinstance(path, str):
        return None
    if "." in path:
        try:
            return find_class(path)
        except Exception:  # of the user's own module: the parser says which
            return None
    return next((cls for cls in (*exported(), *loaded(base)) if cls.__name__ == path), None)


def place_of_flag(flag: str) -> str:
    """Return a flag without `init_args` and `class_path`."""
    return ".".join(key for key in flag.split(".") if key not in CLASS_KEYS)


def value_below(value: Any, *keys: str) -> Any:
    """Return the value of settings at a place, without `init_args`; None if there is none."""
    for key in keys:
        if isinstance(value, dict) and isinstance(value.get("init_args"), dict):
            value = value["init_args"]
        value = value.get(key) if isinstance(value, dict) else None
    return value
