"""Objects that remember the arguments they were made with, so that a checkpoint can say how to make them again."""

import contextlib
import functools
import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import lightning as L
import numpy as np

from datamodules.argument_kinds import call_arguments

HYPER_PARAMETERS = L.LightningModule.CHECKPOINT_HYPER_PARAMS_KEY
UNRECORDED = "unrecorded_arguments"  # of a checkpoint: names of constructor arguments that it cannot rebuild


class RecordsInitArgs:
    """Base class of what keeps the arguments of its constructor, by name, in `init_args`."""

    init_args: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the object and note the arguments.

        Raises:
            ValueError: One is of the wrong kind. Any other fault is left for the constructor to refuse.
        """
        made = super().__new__(cls)
        # The __setattr__ of nn.Module works only after its __init__.
        made.__dict__["init_args"] = call_arguments(cls, args, kwargs)
        return made


def to_config(value: Any) -> Any:
    """Return an object as {"class_path", "init_args"} and plain values.

    Args:
        value: An object that records its arguments; a class, or a `functools.partial` of one; a plain value or a number
            of NumPy's; or a list, tuple or mapping of these.

    Raises:
        TypeError: It is, or holds, an object of another kind; the message names its class.
    """
    if isinstance(value, RecordsInitArgs) and "init_args" in vars(value):
        arguments = {name: to_config(argument) for name, argument in value.init_args.items()}
        return {"class_path": class_path(type(value)), "init_args": arguments}
    if isinstance(value, functools.partial | type):
        made, given = unwrap_factory(value)
        if isinstance(made, type):
            return {"class_path": class_path(made), "init_args": to_config(given)}
    if isinstance(value, Mapping):
        return {str(name): to_config(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_config(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} does not say how it was made")


def record_init_args(made: RecordsInitArgs, checkpoint: dict[str, Any]) -> None:
    """Add the arguments of a LightningModule to its checkpoint, for `load_from_checkpoint` to rebuild it from.

    Those that are objects of an unknown kind are left out, and their names listed. A checkpoint that holds arguments
    already, as the command's does, stays as it is.
    """
    if HYPER_PARAMETERS in checkpoint:
        return
    known: dict[str, Any] = {}
    for name, value in made.init_args.items():
        with contextlib.suppress(TypeError):
            known[name] = to_config(value)
    instantiator = "lightning.pytorch.cli.instantiate_module"
    checkpoint[HYPER_PARAMETERS] = {"_class_path": class_path(type(made)), "_instantiator": instantiator, **known}
    checkpoint[UNRECORDED] = [name for name in made.init_args if name not in known]


def class_path(cls: type) -> str:
    """Return the path that a class is imported by."""
    return f"{cls.__module__}.{cls.__qualname__}"


def find_class(path: str) -> type | None:
    """Return the class at a path ("models.networks.MLP"), None if there is none."""
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        return None
    return found if isinstance(found, type) else None


def unwrap_factory(factory: Callable[..., Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return the class or function that a factory calls, and the keywords given to it.

    Sees through `functools.partial` and jsonargparse's own wrapping.
    """
    given: dict[str, Any] = {}
    while isinstance(factory, functools.partial):
        given = factory.keywords | given
        classes: Iterator[type] = (argument for argument in factory.args if isinstance(argument, type))
        factory = next(classes, factory.func)
    return factory, given
