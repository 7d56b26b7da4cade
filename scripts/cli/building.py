"""Objects that a recipe names, built; errors of their constructors name the class and the place."""

import inspect
import re
from typing import Any

import lightning as L
from lightning.fabric.plugins import CheckpointIO, ClusterEnvironment
from lightning.fabric.plugins import Precision as PrecisionPlugin
from lightning.pytorch.accelerators import Accelerator
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.profilers import Profiler
from lightning.pytorch.strategies import Strategy
from torch import nn

from datamodules import DataModule
from datamodules.augmentation import Views
from models.own_code import place_of, with_place
from scripts.cli.failures import out_of_memory
from scripts.cli.hyperparameters import FROM_DATA

# What `build_object` builds.
BUILT: tuple[type[Any], ...] = (
    *(nn.Module, L.LightningDataModule, Views, Callback, Logger, Profiler, Strategy),
    *(Accelerator, CheckpointIO, ClusterEnvironment, PrecisionPlugin),
)
# Attributes that only `super().__init__()` sets.
SET_BY_BASE = ((nn.Module, "_modules"), (L.LightningDataModule, "prepare_data_per_node"), (DataModule, "batch_size"))
UNREADY = "its __init__ must call super().__init__() first"


def build_object(cls: type[Any], *args: Any, **kwargs: Any) -> Any:
    """Build an object for jsonargparse, which forgets the kind of an error that a constructor did not mean to raise.

    Raises:
        ValueError: The constructor fails, does not call that of its base class, or was given null for an argument
            without type and default: jsonargparse makes null of one that is not there.
    """
    parameters = inspect.signature(cls).parameters
    for name, parameter in parameters.items():
        if parameter.default is parameter.annotation is parameter.empty and kwargs.get(name, cls) is None:
            raise ValueError(f"{cls.__name__} needs {name}")
    try:
        built = cls(*args, **kwargs)
    except Exception as error:
        if isinstance(error, TypeError | ValueError) and place_of(error) is None:
            raise
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        said = str(error).partition("\n")[0]  # torch lists the signatures of its functions below
        if memory := out_of_memory(error):
            kind, said = "", memory
        hints = (_base_hint(error), _linked_hint(error, parameters), _text_hint(parameters, kwargs))
        message = f"{cls.__name__}: {kind}{said}{next(filter(None, hints), '')}"
        raise ValueError(with_place(message, error)) from error
    for base, attribute in SET_BY_BASE:
        if isinstance(built, base) and attribute not in vars(built):
            raise ValueError(f"{cls.__name__}: {UNREADY}")
    return built


def _base_hint(error: Exception) -> str:
    unready = re.search(r"_modules|Module\.__init__", str(error))
    return "; does its __init__ call super().__init__()?" if unready else ""


def _linked_hint(error: Exception, parameters: Any) -> str:
    """Return a hint on a value of the data's, such as num_classes, that `**kwargs` alone is not given."""
    missing = error.args[0] if isinstance(error, KeyError) and error.args else None
    if missing not in FROM_DATA or missing in parameters:
        return ""
    return f"; the data's {missing} is given to an argument of that name: __init__(self, {missing}, ...)"


def _text_hint(parameters: Any, given: dict[str, Any]) -> str:
    """Return a hint on arguments without a type that were given a text where the default is a number."""
    for name, parameter in parameters.items():
        value, untyped = given.get(name), parameter.annotation is parameter.empty
        if untyped and isinstance(value, str) and isinstance(parameter.default, int | float):
            return f"; {name} is {value!r}, its default {parameter.default}"
    return ""
