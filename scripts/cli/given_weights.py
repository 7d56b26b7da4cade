"""Weights that no run made, which `test`, `validate` and `predict` measure: as a recipe or a flag names them."""

from typing import Any

from models.init_args import find_class
from scripts.cli.choices import exported
from scripts.cli.command_line import CommandLine
from scripts.cli.constructor import class_arguments
from scripts.cli.errors import UsageError
from scripts.cli.flags import CLASS_KEYS

WEIGHTS = "--model.network.weights"


def names_weights(line: CommandLine) -> bool:
    """Return whether the network of a command line's recipe begins with given weights."""
    found: object = None
    for recipe in line.recipes.values():
        found = _below(recipe.content, "model", "network", "weights") or found
    return bool(_flag(line, WEIGHTS, found))


def take_weights(line: CommandLine, arguments: list[str]) -> tuple[list[str], str | None]:
    """Return the arguments without the flag of the weights, and their file, if the network has no such argument itself.

    Raises:
        UsageError: The file is a checkpoint.
    """
    file = _flag(line, WEIGHTS, None)
    if not isinstance(file, str) or _network_takes_weights(line):
        return arguments, None
    if file.endswith(".ckpt"):
        raise UsageError(f"{file} is a checkpoint: give it as --ckpt_path {file}")
    return [word for flag in line.flags if _place(flag.name) != WEIGHTS for word in flag.words], file


def _network_takes_weights(line: CommandLine) -> bool:
    named: object = None
    for recipe in line.recipes.values():
        network = _below(recipe.content, "model", "network")
        named = (network.get("class_path") if isinstance(network, dict) else network) or named
    named = _flag(line, "--model.network", named)
    short = {cls.__name__: path for cls, path in exported().items()}
    path = short.get(str(named), str(named))
    return find_class(path) is None or "weights" in class_arguments(path)


def _flag(line: CommandLine, place: str, otherwise: object) -> object:
    given = [flag.value for flag in line.flags if _place(flag.name) == place]
    return otherwise if not given else None if given[-1] == "null" else given[-1]


def _place(flag: str) -> str:
    return ".".join(key for key in flag.split(".") if key not in CLASS_KEYS)


def _below(value: Any, *keys: str) -> Any:
    for key in keys:
        if isinstance(value, dict) and isinstance(value.get("init_args"), dict):
            value = value["init_args"]
        value = value.get(key) if isinstance(value, dict) else None
    return value
