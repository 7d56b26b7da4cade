"""Mistakes that show in a command line's words and files, and no longer once the parser has merged them."""

from pathlib import Path
from typing import Any

import yaml

from scripts.parser import SUBCOMMANDS
from scripts.runs import RunError

CONFIG = ("-c", "--config")
WITHOUT_VALUE = ("-h", "--help", "--print_config")
NAMED_BY_FLAG = ("name", "runs_dir", "ckpt_path", "output")  # what a recipe says of these never wins over a flag
RECIPE_ENDINGS = (".yaml", ".yml")

Pair = tuple[str, str | None]


def checked(arguments: list[str]) -> list[str]:
    """Return a command line as it is, if it is in order.

    Raises:
        RunError: A word stands alone or in the wrong place, a flag has no value, or a recipe is none.
    """
    if not arguments or arguments[0] not in SUBCOMMANDS:
        _check_first_word(arguments)
        return arguments
    pairs = _pairs(arguments[1:])
    if any(flag in ("-h", "--help") or flag.endswith(".help") for flag, _ in pairs):
        return arguments
    for number, (flag, value) in enumerate(pairs):
        if not flag:
            _refuse_lone_word(str(value), pairs[number - 1] if number else ("", ""))
        if (value is None and flag not in WITHOUT_VALUE) or (flag in CONFIG and not value):
            raise RunError(f"{flag} needs a value: {flag} {'FILE' if flag in CONFIG else 'VALUE'}")
    recipes = [(value, _read(value)) for flag, value in pairs if flag in CONFIG and value]
    flags = {flag for flag, _ in pairs}
    for path, content in recipes:
        if content.get("ckpt_path") and "--ckpt_path" not in flags:
            chosen = content["ckpt_path"]
            raise RunError(
                f"{path}: ckpt_path is no part of a recipe; give it on the command line: --ckpt_path {chosen}"
            )
    if recipes:
        before = [flag for flag, _ in pairs[: next(n for n, (flag, _) in enumerate(pairs) if flag in CONFIG)]]
        _check_order(before, recipes)
    return arguments


def _pairs(words: list[str]) -> list[Pair]:
    """Return (flag, value) of each flag, the value None if there is none, and ("", word) of what belongs to no flag."""
    pairs: list[Pair] = []
    waiting = False  # the last flag still has no value
    for word in words:
        if word.startswith("-c") and word[2:3] not in ("", "="):
            pairs.append(("-c", word[2:]))
            waiting = False
        elif word.startswith("-") and not _is_number(word):
            flag, given, value = word.partition("=")
            pairs.append((flag, value if given else None))
            waiting = not given
        elif waiting:
            pairs[-1] = (pairs[-1][0], word)
            waiting = False
        else:
            pairs.append(("", word))
    return pairs


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _check_first_word(arguments: list[str]) -> None:
    first = arguments[0] if arguments else ""
    if first.split("=")[0] in CONFIG:
        named = [word for word in arguments if word in SUBCOMMANDS] or ["fit"]
        rest = [word for word in arguments if word not in SUBCOMMANDS]
        raise RunError(f"the subcommand comes first; did you mean holdout {named[0]} {' '.join(rest)}?")
    if first.endswith(RECIPE_ENDINGS):
        raise RunError(f"{first} is no subcommand; did you mean holdout fit -c {first}?")
    if first.endswith(".ckpt"):
        raise RunError(f"{first} is no subcommand; did you mean holdout test --ckpt_path {first}?")


def _refuse_lone_word(word: str, before: Pair) -> None:
    """Refuse a word that belongs to no flag, if it is plain what was meant; the parser refuses the others."""
    flag, value = before
    if flag and value and value[0] in "[{" and value.count(value[0]) > value.count("]" if value[0] == "[" else "}"):
        raise RunError(f"{word} stands alone; put the whole value of {flag} in quotes")
    if word.endswith(RECIPE_ENDINGS):
        raise RunError(f"{word} stands alone; did you mean -c {word}?")
    if word.endswith(".ckpt"):
        raise RunError(f"{word} stands alone; did you mean --ckpt_path {word}?")
    if "=" in word:
        raise RunError(f"{word} stands alone; a flag begins with two dashes, as --data.batch_size=64 does")


def _read(path: str) -> dict[str, Any]:
    """Return what a recipe holds, {} if there is no such file: the parser suggests another.

    Raises:
        RunError: It is a folder, holds no text, or is not YAML.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except IsADirectoryError as error:
        inside = sorted(str(entry) for ending in RECIPE_ENDINGS for entry in Path(path).glob(f"*{ending}"))
        named = f"; there are {', '.join(inside)}" if inside else ", not a recipe"
        raise RunError(f"{path} is a folder{named}") from error
    except OSError:
        return {}
    except UnicodeDecodeError as error:
        instead = f"; did you mean --ckpt_path {path}?" if path.endswith(".ckpt") else ""
        raise RunError(f"{path} is no recipe: it holds no text{instead}") from error
    except yaml.YAMLError as error:
        raise RunError(f"{path} is not YAML: {str(error).replace('<unicode string>', path)}") from error
    return content if isinstance(content, dict) else {}


def _check_order(before: list[str], recipes: list[tuple[str, dict[str, Any]]]) -> None:
    """Check that the recipe comes first.

    Args:
        before: The flags that stand before it.
        recipes: Path and content of recipe and overlays, as they were typed.
    """
    first, content = recipes[0]
    late = [flag for flag in before if flag.lstrip("-").split(".")[0] in content.keys() - set(NAMED_BY_FLAG)]
    if late and (_names_class(content, "model") or "--model" not in before):
        raise RunError(f"{late[0]} comes before -c {first}, which would win over it; put flags after the recipe")
    for part in ("model", "data"):
        if not isinstance(content.get(part), dict) or _names_class(content, part) or f"--{part}" in before:
            continue
        recipe = next((path for path, other in recipes[1:] if _names_class(other, part)), "RECIPE")
        raise RunError(f"{first} is an overlay: it names no {part} class. Put the recipe first: -c {recipe} -c {first}")


def _names_class(content: dict[str, Any], part: str) -> bool:
    value = content.get(part)
    return isinstance(value, str) or (isinstance(value, dict) and "class_path" in value)
