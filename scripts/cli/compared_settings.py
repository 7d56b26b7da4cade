"""The settings that runs are compared by: a flat table for TensorBoard's HParams, W&B's config and MLflow's parameters.

Every run of the same classes has the same columns, and what is left at its default is in them: TensorBoard shows a
column that differs before one that does not, and a blank differs from nothing.
"""

import math
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any, get_args

import lightning as L
from torch.optim import AdamW

from callbacks.lookup import changes_training
from datamodules.argument_kinds import members
from models.init_args import class_path, find_class
from scripts.cli.choices import slot_of
from scripts.cli.constructor import REQUIRED, Argument, class_arguments, constructor_arguments
from scripts.cli.hyperparameters import FROM_DATA
from scripts.cli.resume import may_change

Plain = bool | int | float | str
NONE = "none"
# Of torch's optimizers, how a step is computed, not what it computes; of its losses, what a task leaves no choice of.
OF_TORCH = ("capturable", "differentiable", "foreach", "fused", "maximize", "ignore_index", "reduction")


def compared_settings(settings: dict[str, Any], trainer: L.Trainer, module: L.LightningModule) -> dict[str, Plain]:
    """Return the settings of a run by the names of their flags, without "model." and "data.".

    A class is a text, "none" where there is none; its arguments follow it. What another setting or the machine decides
    is resolved: the precision, the number of training samples, the loss by default.

    Args:
        settings: All settings of the run.
        trainer: The trainer, while it trains.
        module: The task.
    """
    data: Any = getattr(trainer, "datamodule", None)
    task, dataset = settings["model"], settings["data"]
    arguments = dict(task.get("init_args") or {})
    arguments["optimizer"] = arguments.get("optimizer") or {"class_path": class_path(AdamW)}
    loss = getattr(module, "loss", None)
    arguments["loss"] = arguments.get("loss") or (loss and {"class_path": class_path(type(loss))})
    seed = settings["seed_everything"]
    found: dict[str, Plain] = {} if seed is False else {"seed": seed}
    found |= _object("task", {**task, "init_args": arguments})
    found |= _object("data", dataset) | _of_trainer(settings["trainer"], trainer)
    found |= _object("early_stopping", _stopping(settings.get("early_stopping")))
    found["augmentation"] = ", ".join(type(step).__name__ for step in getattr(data, "augmentation", None) or ()) or NONE
    train = getattr(getattr(data, "split", None), "train", None)
    if train is not None:
        found["train_samples"] = len(train)
    return {_short(name): value for name, value in found.items()}


def run_title(settings: dict[str, Any]) -> str:
    """Return what tells a run from others of its recipe: regularizers and network."""
    arguments = settings["model"].get("init_args") or {}
    named = [*(arguments.get("regularizers") or []), arguments.get("network")]
    return ", ".join(_name(config) for config in named if config)


def _short(name: str) -> str:
    for prefix in ("task.", "data."):
        name = name.removeprefix(prefix)
    return name


def _stopping(config: Any) -> dict[str, Any] | None:
    return None if config is None else {"class_path": "callbacks.EarlyStopping", "init_args": config}


def _of_trainer(settings: dict[str, Any], trainer: L.Trainer) -> dict[str, Plain]:
    callbacks = settings.get("callbacks") or []
    given = [config for config in (callbacks if isinstance(callbacks, list) else [callbacks]) if _changes(config)]
    return {
        "trainer.max_epochs": -1 if trainer.max_epochs is None else trainer.max_epochs,
        "trainer.max_steps": trainer.max_steps,
        "trainer.precision": str(trainer.precision),
        "trainer.accumulate_grad_batches": trainer.accumulate_grad_batches,
        "trainer.gradient_clip_val": float(trainer.gradient_clip_val or 0),
        "trainer.callbacks": ", ".join(map(_label, given)) or NONE,
    }


def _changes(config: dict[str, Any]) -> bool:
    cls = find_class(str(config.get("class_path")))
    return cls is None or changes_training(cls)


def _object(name: str, config: dict[str, Any] | None) -> dict[str, Plain]:
    """Return an object and its arguments by name; a class that is not there is "none"."""
    if config is None:
        return {name: NONE}
    given, path = config.get("init_args") or {}, str(config["class_path"])
    left_out = {*FROM_DATA, *(may_change(path) if name == "data" else OF_TORCH if path.startswith("torch.") else ())}
    found: dict[str, Plain] = {name: _name(config)}
    for argument in class_arguments(path).values():
        value = given.get(argument.name, argument.default)
        if argument.name not in left_out and value is not REQUIRED:
            found |= dict(_columns(f"{name}.{argument.name}", value, argument))
    return found


def _columns(name: str, value: Any, argument: Argument) -> Iterator[tuple[str, Plain]]:
    if _is_object(value):
        yield from _object(name, value).items()
    elif isinstance(value, dict) and is_dataclass(argument.annotation):  # SplitOptions
        dataclass: Any = argument.annotation
        for field in constructor_arguments(dataclass):
            yield from _columns(f"{name}.{field.name}", value.get(field.name), field)
    elif isinstance(value, list) and any(map(_is_object, value)):
        yield name, " + ".join(map(_label, filter(_is_object, value)))
        for item in filter(_is_object, value):
            own = _object(_name(item), item)
            yield from list(own.items())[1:]
    elif value is None or value == []:
        # A number that is not set is left out: a column of numbers and texts cannot be sorted.
        if str in _kinds(argument.annotation) or slot_of(argument.annotation) is not None:
            yield name, NONE
    elif isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        yield name, value
    else:
        yield name, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _kinds(annotation: Any) -> list[Any]:
    return [type(choice) for kind in members(annotation) for choice in get_args(kind)] + members(annotation)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and "class_path" in value


def _name(config: dict[str, Any]) -> str:
    return str(config["class_path"]).rpartition(".")[2]


def _label(config: dict[str, Any]) -> str:
    """Return a class with the arguments that differ from their defaults: "MixUp(alpha=0.2)"."""
    known, given = class_arguments(config["class_path"]), config.get("init_args") or {}
    set_here = {name: value for name, value in given.items() if name not in known or value != known[name].default}
    texts = [f"{name}={_text(value)}" for name, value in set_here.items()]
    return f"{_name(config)}({', '.join(texts)})" if texts else _name(config)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return _label(value) if _is_object(value) else str(value)
