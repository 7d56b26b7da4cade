"""Mistakes that show in a command line's words and files, and no longer once the parser has merged them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from scripts.cli.parser import SUBCOMMANDS
from scripts.cli.runs import UsageError

CONFIG = ("-c", "--config")
WITHOUT_VALUE = ("-h", "--help", "--print_config")
NAMED_BY_FLAG = ("name", "runs_dir", "ckpt_path", "output")  # what a recipe says of these never wins over a flag
RECIPE_ENDINGS = (".yaml", ".yml")

Pair = tuple[str, str | None]


def checked(arguments: list[str]) -> list[str]:
    """Return a command line as it is, if it is in order.

    Raises:
        UsageError: A word stands alone or in the wrong place, a flag has no value, or a recipe is none.
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
            raise UsageError(f"{flag} needs a value: {flag} {'FILE' if flag in CONFIG else 'VALUE'}")
    recipes = [(value, _read(value)) for flag, value in pairs if flag in CONFIG and value]
    flags = {flag for flag, _ in pairs}
    for path, content in recipes:
        if content.get("ckpt_path") and "--ckpt_path" not in flags:
            chosen = content["ckpt_path"]
            raise UsageError(
                f"{path}: ckpt_path is no part of a recipe; give it on the command line: --ckpt_path {chosen}"
            )
    _check_order(pairs, dict(recipes), "--ckpt_path" in flags)
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
        raise UsageError(f"the subcommand comes first; did you mean holdout {named[0]} {' '.join(rest)}?")
    if first.endswith(RECIPE_ENDINGS):
        raise UsageError(f"{first} is no subcommand; did you mean holdout fit -c {first}?")
    if first.endswith(".ckpt"):
        raise UsageError(f"{first} is no subcommand; did you mean holdout test --ckpt_path {first}?")


def _refuse_lone_word(word: str, before: Pair) -> None:
    """Refuse a word that belongs to no flag, if it is plain what was meant; the parser refuses the others."""
    flag, value = before
    if flag and value and value[0] in "[{" and value.count(value[0]) > value.count("]" if value[0] == "[" else "}"):
        raise UsageError(f"{word} stands alone; put the whole value of {flag} in quotes")
    if word.endswith(RECIPE_ENDINGS):
        raise UsageError(f"{word} stands alone; did you mean -c {word}?")
    if word.endswith(".ckpt"):
        raise UsageError(f"{word} stands alone; did you mean --ckpt_path {word}?")
    if "=" in word:
        raise UsageError(f"{word} stands alone; a flag begins with two dashes, as --data.batch_size=64 does")


def _read(path: str) -> dict[str, Any]:
    """Return what a recipe holds, {} if there is no such file: the parser suggests another.

    Raises:
        UsageError: It is a folder, holds no text, or is not YAML.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except IsADirectoryError as error:
        inside = sorted(str(entry) for ending in RECIPE_ENDINGS for entry in Path(path).glob(f"*{ending}"))
        named = f"; there are {', '.join(inside)}" if inside else ", not a recipe"
        raise UsageError(f"{path} is a folder{named}") from error
    except OSError:
        return {}
    except UnicodeDecodeError as error:
        instead = f"; did you mean --ckpt_path {path}?" if path.endswith(".ckpt") else ""
        raise UsageError(f"{path} is no recipe: it holds no text{instead}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not YAML: {str(error).replace('<unicode string>', path)}") from error
    return content if isinstance(content, dict) else {}


def _check_order(pairs: list[Pair], recipes: dict[str, dict[str, Any]], has_checkpoint: bool) -> None:
    """Check that no recipe undoes a flag before it, and that what names model and data comes first.

    Args:
        pairs: The command line.
        recipes: Content of recipe and overlays by path, in their order.
        has_checkpoint: Whether a checkpoint brings a recipe of its own, which all others are overlays of.
    """
    flags = [flag for flag, _ in pairs]
    first = next(iter(recipes), None)
    for part in ("model", "data"):
        overlay = first is not None and isinstance(recipes[first].get(part), dict)
        if first is None or not overlay or has_checkpoint or _names_class(recipes[first], part) or f"--{part}" in flags:
            continue
        recipe = next((path for path, content in recipes.items() if _names_class(content, part)), "RECIPE")
        raise UsageError(
            f"{first} is an overlay: it names no {part} class. Put the recipe first: -c {recipe} -c {first}"
        )
    before: dict[str, str] = {}  # what is set so far, at which place, and by what
    for flag, value in pairs:
        if flag not in CONFIG:
            before[_place(flag)] = flag
            continue
        path, content = str(value), recipes[str(value)]
        leaves = list(_leaves(content))
        if path == first or _names_class(content, "model"):
            late = next((place for place in before if any(f"{place}.".startswith(f"{leaf}.") for leaf in leaves)), None)
            if late is not None:
                setting = before[late]
                raise UsageError(f"{setting} comes before -c {path}, which would win over it; put it after the recipe")
        before |= {leaf: f"-c {path}" for leaf in leaves if not _names_class(content, "model")}


def _place(flag: str) -> str:
    """Return where a flag belongs in a recipe: `--model.init_args.optimizer` at "model.optimizer"."""
    return ".".join(key for key in flag.lstrip("-").rstrip("+").split(".") if key != "init_args")


def _leaves(content: Any, place: str = "") -> Iterator[str]:
    if not isinstance(content, dict):
        yield place
        return
    for key, value in content.items():
        if key not in NAMED_BY_FLAG or place:
            inner = place if key in ("init_args", "class_path") else f"{place}.{str(key).rstrip('+')}".lstrip(".")
            yield from _leaves(value, inner)


def _names_class(content: dict[str, Any], part: str) -> bool:
    value = content.get(part)
    return isinstance(value, str) or (isinstance(value, dict) and "class_path" in value)
