"""Weights that no run made, which `test`, `validate` and `predict` measure: as a recipe or a flag names them."""

from torch import nn

from scripts.cli.command_line import CommandLine
from scripts.cli.constructor import constructor_arguments
from scripts.cli.errors import UsageError
from scripts.cli.named import named_class, named_value, place_of_flag

WEIGHTS = ("model", "network", "weights")
FLAG = f"--{'.'.join(WEIGHTS)}"


def names_weights(line: CommandLine) -> bool:
    """Return whether the network of a command line's recipe begins with given weights."""
    return bool(named_value(line, *WEIGHTS))


def take_weights(line: CommandLine, arguments: list[str]) -> tuple[list[str], str | None]:
    """Return the arguments without the flag of the weights, and their file, if the network has no such argument itself.

    Raises:
        UsageError: The file is a checkpoint.
    """
    file = line.values.get(FLAG)
    network = named_class(line, nn.Module, "model", "network")
    if not file or network is None or "weights" in {argument.name for argument in constructor_arguments(network)}:
        return arguments, None
    if file.endswith(".ckpt"):
        raise UsageError(f"{file} is a checkpoint: give it as --ckpt_path {file}")
    return [word for flag in line.flags if place_of_flag(flag.name) != FLAG for word in flag.words], file
