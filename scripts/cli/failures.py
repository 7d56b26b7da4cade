"""Errors that nobody foresaw, as one line: the option at fault, and after the first step a file with the traceback."""

import re
import traceback
from pathlib import Path
from types import CodeType
from typing import Any

from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.profilers import Profiler
from lightning.pytorch.strategies import Strategy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from callbacks.files import display_path, write_text
from datamodules import DataModule
from models.own_code import describe_fault
from models.regularizers import Regularizer
from scripts.cli.command_line import shortened

TRACEBACK_FILE = "traceback.txt"
DEBUG_VARIABLE = "HOLDOUT_DEBUG"
DEBUG_HINT = f"{DEBUG_VARIABLE}=1 shows the traceback"
CPU_MEMORY = re.compile(r"can't allocate memory: you tried to allocate (\d+) bytes")
OPTIONS: tuple[tuple[type[Any], str], ...] = (
    (Callback, "trainer.callbacks"),
    (Logger, "trainer.logger"),
    (Profiler, "trainer.profiler"),
    (Regularizer, "model.regularizers"),
    (LRScheduler, "model.lr_scheduler"),
    (Optimizer, "model.optimizer"),
    (Strategy, "trainer.strategy"),
    (DataModule, "data"),
)
STARTS = ("__init__", "setup")  # a strategy is at fault where it starts; it also calls all of training


def describe_failure(error: Exception) -> str:
    """Return an error as one line that names the option whose class raised it, or the line of a user's own file."""
    own, wrong_hook = describe_fault(error), _wrong_hook(error)
    if own is not None and wrong_hook is None:
        return own
    owner = wrong_hook or _owner(error)
    said = shortened(_words(error))
    return said if owner is None else f"{owner[0]}: {owner[1]}: {said}"


def with_debug_hint(error: Exception) -> str:
    """Return an error as one line, and how to see its traceback."""
    return f"{describe_failure(error)} ({DEBUG_HINT})"


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and isinstance(error.filename, str):
        return f"{error.strerror}: {error.filename}"
    if memory := out_of_memory(error):
        return memory
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def out_of_memory(error: Exception) -> str | None:
    """Return one line on a tensor that torch could not allocate on the CPU, None for another error."""
    wanted = CPU_MEMORY.search(str(error))
    return None if wanted is None else f"not enough memory: a tensor would take {int(wanted[1]) / 1e9:,.1f} GB"


def keep_traceback(error: Exception, folder: Path | None) -> str:
    """Write an error's traceback into a run's folder; return how to see it."""
    if folder is None:
        return DEBUG_HINT
    path = folder / TRACEBACK_FILE
    try:
        write_text(path, "".join(traceback.format_exception(error)))
    except OSError:
        return DEBUG_HINT
    return f"traceback in {display_path(path)}"


def _owner(error: BaseException) -> tuple[str, str] | None:
    """Return the option and the method of the innermost object of an option's class that an error went through."""
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        found, function = frame.f_locals.get("self"), frame.f_code.co_name
        for kind, option in OPTIONS:
            if isinstance(found, kind) and not (kind is Strategy and not function.startswith(STARTS)):
                return option, f"{type(found).__name__}.{function}"
    return None


def _wrong_hook(error: Exception) -> tuple[str, str] | None:
    """Return the option and the place of a hook that does not take what it is called with."""
    named = re.match(r"(?:[\w<>]+\.)*?((\w+)\.(\w+))\(\) ", str(error)) if isinstance(error, TypeError) else None
    if named is None or error.__traceback__ is None:
        return None
    frame, _ = list(traceback.walk_tb(error.__traceback__))[-1]  # the call itself: the hook's own frame never began
    for value in frame.f_locals.values():
        code = getattr(getattr(type(value), named[3], None), "__code__", None)
        option = next((option for kind, option in OPTIONS if isinstance(value, kind)), None)
        if option is not None and isinstance(code, CodeType) and code.co_qualname.endswith(named[1]):
            return option, f"{named[1]} ({display_path(code.co_filename)}:{code.co_firstlineno})"
    return None
