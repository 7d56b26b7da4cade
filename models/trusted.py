"""What a checkpoint may name: a stranger may have written it, so classes of known packages alone are imported."""

import re
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import lightning as L
import torch
from lightning.pytorch.core.saving import CHECKPOINT_PAST_HPARAMS_KEYS
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn

from models.init_args import HYPER_PARAMETERS, UNRECORDED, find_class
from models.signatures import constructor_parameters, members

TRUSTED = ("models", "datamodules", "callbacks", "torch", "torchvision", "lightning")
PLAIN_TYPES = (str, int, float, bool, type(None))
PLAIN = re.compile(r"[\w+-]*(/[\w+-]+)?")  # batch, bf16-mixed, val/loss
PARTS = (nn.Module, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler)  # what a task is made of


def check_rebuildable(path: str | Path, cls: type[L.LightningModule], given: Collection[str]) -> None:
    """Check that a task can be rebuilt from a checkpoint, and that it imports only what is trusted or imported already.

    Warns of arguments, besides the network, that the checkpoint cannot rebuild.

    Args:
        path: The checkpoint's file.
        cls: The task.
        given: Names of arguments that the caller gives, in place of those of the checkpoint.

    Raises:
        TypeError: The checkpoint does not say how its network was made, and none is given.
        ImportError: It names a class of another module.
    """
    content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    call = f"{cls.__name__}.load_from_checkpoint(path, "
    if not {"network"} & {*given, *content.get(HYPER_PARAMETERS, {})}:
        raise TypeError(f"{path} does not say how its network was made: give it again, {call}network=...)")
    _check_imports(path, content, given)
    for name in content.get(UNRECORDED, []):
        if name not in given:
            rank_zero_warn(f"{path} does not say how its {name} was made: give it again to train, {call}{name}=...)")


def _check_imports(path: str | Path, checkpoint: Mapping[str, Any], given: Collection[str]) -> None:
    keys = (*CHECKPOINT_PAST_HPARAMS_KEYS, HYPER_PARAMETERS)
    stored = {name: value for key in keys for name, value in dict(checkpoint.get(key) or {}).items()}
    if "_instantiator" not in stored:
        return  # nothing is imported then
    arguments = {name: value for name, value in stored.items() if name not in {"_class_path", "_instantiator", *given}}
    task = {"class_path": stored.get("_class_path", "models.Task"), "init_args": arguments}
    for place, name in untrusted({"model": task}):
        if place.endswith("class_path") and _is_imported(name):
            continue
        shown = place.removeprefix("model.").removeprefix("init_args.").removesuffix(".class_path")
        module = name.rpartition(".")[0] or name
        raise ImportError(
            f"{path} names {name} at {shown}; from a checkpoint only classes of {', '.join(TRUSTED)} are imported. If "
            f"you trust it, import the module first: import {module}"
        )


def _is_imported(path: str) -> bool:
    module, _, name = path.rpartition(".")
    found = getattr(sys.modules.get(module), name, None)
    return isinstance(found, type) and issubclass(found, PARTS)


def untrusted(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (place, text) of all in settings from a checkpoint that it must not bring: a stranger may have written it.

    Args:
        config: Objects by name, each {"class_path", "init_args"}: a recipe's model and data, or a task.
    """
    for place, name in _importable(config):
        if name.split(".")[0] not in TRUSTED or not place.endswith("class_path"):
            yield place, name


def _importable(value: Any, place: str = "", types: Mapping[str, Any] | None = None) -> Iterator[tuple[str, str]]:
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
            if key in types and (_is_text(item, types[key]) or _is_choice(item, types[key])):
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


def _types_below(config: dict[str, Any]) -> Mapping[str, Any]:
    """Return the types of the arguments of the trusted class that a {"class_path", "init_args"} names."""
    named = config.get("class_path")
    trusted = isinstance(named, str) and named.split(".")[0] in TRUSTED
    cls = find_class(str(named)) if trusted else None
    return {} if cls is None else _annotations(cls)


def _types_of(annotation: Any) -> Mapping[str, Any]:
    """Return the types of the fields of a dataclass, such as `SplitOptions`."""
    return _annotations(annotation) if isinstance(annotation, type) and is_dataclass(annotation) else {}


def _is_choice(value: Any, annotation: Any) -> bool:
    """Return whether a value is one of an argument's choices; a file of that name does not matter then."""
    kinds = (annotation, *get_args(annotation))
    return any(value in get_args(kind) for kind in kinds if get_origin(kind) is Literal)


def _annotations(cls: type) -> dict[str, Any]:
    return {found.name: found.annotation for found in constructor_parameters(cls)}


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
