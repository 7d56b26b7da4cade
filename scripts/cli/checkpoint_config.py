"""The recipe inside a checkpoint, so that `test`, `validate` and `predict` need nothing else."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml

from callbacks import CheckpointError, load_checkpoint
from scripts.cli.constructor import Argument, class_arguments, constructor_arguments, members
from scripts.cli.runs import run_folder_of

CONFIG_KEY = "holdout_config"
TRUSTED = ("models", "datamodules", "callbacks", "torch", "torchvision", "lightning")
PLAIN_TYPES = (str, int, float, bool, type(None))
PLAIN = re.compile(r"[\w+-]*(/[\w+-]+)?")  # batch, bf16-mixed, val/loss


def read_config(path: Path) -> dict[str, Any]:
    """Return a checkpoint's model and data, and the precision it was trained with.

    Trainer, callbacks and loggers come from the command line.

    Raises:
        CheckpointError: The file is not a checkpoint, has no recipe, or names a class of a package that is not
            `TRUSTED`: a stranger's checkpoint must not choose which modules are imported.
    """
    text = load_checkpoint(path).get(CONFIG_KEY)
    try:
        config = yaml.safe_load(text) if isinstance(text, str) else None
    except yaml.YAMLError:
        config = None
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} has no recipe (it was not made by `holdout fit`); give one with -c")
    for part in ("model", "data"):
        if not _names_class(config.get(part)):
            raise CheckpointError(f"{path} has no recipe (its {part} is {config.get(part)!r}); give one with -c")
    kept = {"model": config["model"], "data": config["data"]}
    for place, name in untrusted(config):
        folder = run_folder_of(path)
        recipe = f"-c {folder / 'config.yaml'}" if folder is not None else "-c RECIPE"
        raise CheckpointError(
            f"{path} names {name} at {place}; from a checkpoint only classes of {', '.join(TRUSTED)} are imported. "
            f"If you trust it, give its recipe too: {recipe}"
        )
    trainer = config.get("trainer")
    precision = trainer.get("precision") if isinstance(trainer, dict) else None
    return kept | ({"trainer": {"precision": str(precision)}} if precision is not None else {})


def untrusted(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (place, text) of all in a recipe's model and data that a checkpoint must not bring: a stranger wrote it."""
    for place, name in _importable({"model": config["model"], "data": config["data"]}):
        if name.split(".")[0] not in TRUSTED or not place.endswith("class_path"):
            yield place, name


def _names_class(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("class_path"), str)


def _importable(value: Any, place: str = "", known: Mapping[str, Argument] | None = None) -> Iterator[tuple[str, str]]:
    """Yield (place, text) of every text that a parser might take for a class or for a file to read.

    `holdout fit` names classes only at "class_path", and its keys have no dots.

    Args:
        value: A part of a recipe.
        place: Where it is.
        known: The arguments that its keys are, if it is those of a trusted class.
    """
    known = known or {}
    if isinstance(value, dict):
        for key, item in value.items():
            if not str(key).isidentifier():
                yield place, f"{key}: {item}"
            if key in known and (_is_text(item, known[key]) or _is_choice(item, known[key])):
                continue
            inner = _arguments_of(value) if key == "init_args" else _fields_of(known.get(key))
            yield from _importable(item, f"{place}.{key}".lstrip("."), inner)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _importable(item, f"{place}.{number}")
    elif isinstance(value, str) and (place.endswith("class_path") or not _is_plain(value)):
        yield place, value


def _arguments_of(config: dict[str, Any]) -> Mapping[str, Argument]:
    """Return the arguments of the trusted class that a {"class_path", "init_args"} names, none of any other."""
    named = config.get("class_path")
    trusted = isinstance(named, str) and named.split(".")[0] in TRUSTED
    return class_arguments(named) if trusted else {}  # type: ignore[arg-type]


def _fields_of(argument: Argument | None) -> Mapping[str, Argument]:
    """Return the fields of an argument that is a dataclass, such as `SplitOptions`."""
    kind = argument.annotation if argument is not None else None
    return {field.name: field for field in constructor_arguments(kind)} if is_dataclass(kind) else {}  # type: ignore[arg-type]


def _is_choice(value: Any, argument: Argument) -> bool:
    """Return whether a value is one of an argument's choices; a file of that name does not matter then."""
    return any(value in get_args(kind) for kind in members(argument.annotation) if get_origin(kind) is Literal)


def _is_text(value: Any, argument: Argument) -> bool:
    """Return whether a value is text, or a list of texts, that the parser can take for nothing else."""
    kinds = members(argument.annotation)
    inner = [part for kind in kinds if get_origin(kind) is list for part in members(get_args(kind)[0])]
    alone = [kind for kind in kinds if get_origin(kind) is not list]
    texts, taken = (value, inner) if isinstance(value, list) else ([value], alone)
    if str not in taken or not all(kind in PLAIN_TYPES for kind in (*alone, *inner)):
        return False
    return all(isinstance(text, str) and "://" not in text and _is_yaml_text(text) for text in texts)


def _is_plain(value: str) -> bool:
    """Return whether a text cannot be a class, a file, an address or YAML."""
    return PLAIN.fullmatch(value) is not None and not Path(value).exists()


def _is_yaml_text(value: str) -> bool:
    try:
        return bool(yaml.safe_load(value) == value)
    except yaml.YAMLError:
        return False
