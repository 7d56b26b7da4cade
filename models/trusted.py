"""What a checkpoint may name: a stranger may have written it, so classes of known packages alone are imported.

What it names besides is imported only if the user's own training signed it (`models.own_runs`).
"""

import re
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

import lightning as L
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.core.saving import CHECKPOINT_PAST_HPARAMS_KEYS
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from datamodules.argument_kinds import members
from models.init_args import HYPER_PARAMETERS, UNRECORDED, find_class
from models.own_runs import signed_names
from models.signatures import constructor_parameters
from models.torch_files import load_tensors

PROJECT = ("models", "datamodules", "callbacks")
TRUSTED = (*PROJECT, "torch", "torchvision", "torchmetrics", "lightning")
PLAIN_TYPES = (str, int, float, bool, type(None))
PLAIN = re.compile(r"[\w+-]*(/[\w+-]+)?")  # batch, bf16-mixed, val/loss
PARTS = (nn.Module, Optimizer, LRScheduler)  # what a task is made of
# Of libraries these alone: torch and lightning have classes that start programs or empty files.
LIBRARY_KINDS = (*PARTS, L.LightningDataModule, Callback)


def check_rebuildable(
    path: str | Path, cls: type[L.LightningModule], given: Collection[str], trust: bool = False
) -> None:
    """Check that a task can be rebuilt from a checkpoint, and that it imports only what is trusted or imported already.

    Warns of arguments, besides the network, that the checkpoint cannot rebuild.

    Args:
        path: The checkpoint's file.
        cls: The task.
        given: Names of arguments that the caller gives, in place of those of the checkpoint.
        trust: Let it name any class.

    Raises:
        TypeError: The checkpoint does not say how its network was made, and none is given.
        ImportError: It names a class of another module.
    """
    content = load_tensors(path, mmap=True)
    call = f"{cls.__name__}.load_from_checkpoint(path, "
    if not {"network"} & {*given, *content.get(HYPER_PARAMETERS, {})}:
        raise TypeError(f"{path} does not say how its network was made: give it again, {call}network=...)")
    if not trust:
        check_imports(path, content, given)
    for name in content.get(UNRECORDED, []):
        if name not in given:
            rank_zero_warn(f"{path} does not say how its {name} was made: give it again to train, {call}{name}=...)")


def check_imports(path: str | Path, checkpoint: Mapping[str, Any], given: Collection[str]) -> None:
    """Check that what rebuilds a task names only classes of known packages, or classes already imported.

    Args:
        path: Where it was read, for the message.
        checkpoint: Holds the hyperparameters, as a checkpoint does.
        given: Names of arguments that are not taken from it.

    Raises:
        ImportError: It names a class of another module.
    """
    keys = (*CHECKPOINT_PAST_HPARAMS_KEYS, HYPER_PARAMETERS)
    stored = {name: value for key in keys for name, value in dict(checkpoint.get(key) or {}).items()}
    if "_instantiator" not in stored:
        return  # Lightning imports nothing then
    arguments = {name: value for name, value in stored.items() if name not in {"_class_path", "_instantiator", *given}}
    task = {"class_path": stored.get("_class_path", "models.Task"), "init_args": arguments}
    own = signed_names(checkpoint)
    for place, name in untrusted({"model": task}):
        if (place, name) in own or (place.endswith("class_path") and _is_imported(name)):
            continue
        shown = place.removeprefix("model.").removeprefix("init_args.").removesuffix(".class_path")
        module = name.rpartition(".")[0] or name
        raise ImportError(
            f"{path} names {name} at {shown}; from a checkpoint only classes of {', '.join(TRUSTED)} are imported. If "
            f"you trust it, import the module first: import {module}, or pass trust=True"
        )


def _is_imported(path: str) -> bool:
    module, _, name = path.rpartition(".")
    found = getattr(sys.modules.get(module), name, None)
    return isinstance(found, type) and issubclass(found, PARTS)


def untrusted(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (place, text) of every setting that a checkpoint may not contain: a stranger may have written it.

    Args:
        config: Objects by name, each {"class_path", "init_args"}: a recipe's model and data, or a task.
    """
    yield from _refused(_importable(config))


def _refused(found: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return ((place, name) for place, name in found if not place.endswith("class_path") or not is_trusted(name))


def untrusted_run(settings: dict[str, Any], kinds: Mapping[str, type]) -> Iterator[tuple[str, str]]:
    """Yield (place, text) of every setting that a run may not contain.

    Args:
        settings: What the run's `config.yaml` says.
        kinds: The class of each part that is not named by a class path, by its key.
    """
    for key, value in settings.items():
        if key in kinds and not (isinstance(value, dict) and "class_path" in value):
            yield from _refused(_importable(value, key, _arguments(kinds[key])))
        else:
            yield from untrusted({key: value})
        if key not in ("model", "data"):  # of which a text is read, while those of callbacks are written to
            yield from _leading_out(value, key)


def _leading_out(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Yield (place, text) of every text that, as a path, leads out of the working directory."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _leading_out(item, f"{place}.{key}")
    if isinstance(value, str) and (value.startswith(("/", "\\", "~")) or ".." in re.split(r"[/\\]", value)):
        yield place, value


def is_trusted(path: str) -> bool:
    """Return whether a path names a class that a checkpoint may bring; nothing else is imported to find out.

    The class must be defined where its path says: `torch.os.system` is not torch's, nor is `models.batches.Path` ours.
    """
    names = path.split(".")
    if names[0] not in TRUSTED or any(name.startswith("__") for name in names):  # as __main__, which runs
        return False
    try:
        cls = find_class(path)
    except Exception:  # a module of a library that cannot be imported here
        return False
    package = cls.__module__.split(".")[0] if cls is not None else None
    if cls is None or package not in TRUSTED:
        return False
    return package in PROJECT or issubclass(cls, LIBRARY_KINDS)


def _importable(value: Any, place: str = "", types: "_Arguments | None" = None) -> Iterator[tuple[str, str]]:
    """Yield (place, text) of every text that a parser might take for a class or for a file to read.

    `holdout fit` names classes only at "class_path", and its keys have no dots.

    Args:
        value: A part of a recipe.
        place: Where it is.
        types: Types of the arguments that its keys are, if they are those of a trusted class.
    """
    types = types or {}
    if isinstance(value, dict):
        for key, item in value.items():
            if not str(key).isidentifier():
                yield place, f"{key}: {item}"
            if key in types and types[key].admits(item):
                continue
            inner = _types_below(value) if key == "init_args" else _types_of(types.get(key))
            yield from _importable(item, f"{place}.{key}".lstrip("."), inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for number, item in enumerate(value):
            yield from _importable(item, f"{place}.{number}")
    elif isinstance(value, str):
        if place.endswith("class_path") or not _is_plain(value):
            yield place, value
    elif not isinstance(value, int | float | Tensor | None):  # a parser may take anything else for a list or a text
        yield place, f"a {type(value).__name__}"


def _types_below(config: dict[str, Any]) -> "_Arguments":
    """Return the types of the arguments of the trusted class that a {"class_path", "init_args"} names."""
    named = config.get("class_path")
    cls = find_class(named) if isinstance(named, str) and is_trusted(named) else None
    return {} if cls is None else _arguments(cls)


def _types_of(argument: "_Argument | None") -> "_Arguments":
    """Return the fields of an argument that is a dataclass, such as `SplitOptions`."""
    kind = argument.annotation if argument is not None else None
    return _arguments(kind) if isinstance(kind, type) and is_dataclass(kind) else {}


def _is_choice(value: Any, annotation: Any) -> bool:
    """Return whether a value is one of an argument's choices; a file of that name does not matter then."""
    kinds = (annotation, *get_args(annotation))
    return any(value in get_args(kind) for kind in kinds if get_origin(kind) is Literal)


class _Argument(NamedTuple):
    annotation: Any
    default: Any

    def admits(self, value: Any) -> bool:
        """Return whether a value is text that a parser takes for text, one of the choices, or the default."""
        is_default = isinstance(value, str) and self.default == value
        return is_default or _is_text(value, self.annotation) or _is_choice(value, self.annotation)


_Arguments = Mapping[str, _Argument]


def _arguments(cls: type) -> _Arguments:
    return {found.name: _Argument(found.annotation, found.default) for found in constructor_parameters(cls)}


def _is_text(value: Any, annotation: Any) -> bool:
    """Return whether a value is text, or a list of texts, that the parser can take for nothing else."""
    kinds = members(annotation)
    inner = [part for kind in kinds if get_origin(kind) is list for part in members(get_args(kind)[0])]
    alone = [kind for kind in kinds if get_origin(kind) is not list]
    texts, taken = (value, inner) if isinstance(value, list | tuple) else ([value], alone)
    if str not in taken or not all(kind in PLAIN_TYPES for kind in (*alone, *inner)):
        return False
    # Of YAML the parser makes such a text again what it was, unless it names a class, and no number.
    return all(isinstance(text, str) and "://" not in text and "class_path" not in text for text in texts)


def _is_plain(value: str) -> bool:
    """Return whether a text cannot be a class, a file, an address or YAML."""
    return PLAIN.fullmatch(value) is not None and not Path(value).exists()
