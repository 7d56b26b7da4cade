"""Hyperparameters: in checkpoints, so that a class can be rebuilt; in TensorBoard, once, beside the result."""

from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger

from callbacks.history import shared_metrics
from callbacks.lookup import find_callback
from callbacks.summary import Summary
from scripts.cli.constructor import class_arguments

# Attributes of the data -> the arguments of model and network that they fill in, where the class has them.
MODEL_LINKS = {name: name for name in ("num_classes", "num_labels", "target_mean", "target_std")}
NETWORK_LINKS = {
    "num_outputs": "num_classes",
    "input_shape": "input_shape",
    "category_blocks": "category_blocks",
    "num_tokens": "num_tokens",
}
METRIC_LINKS = {name: name for name in ("num_classes", "num_labels", "num_outputs")}  # by the task


def with_linked_values(model: dict[str, Any], datamodule: L.LightningDataModule) -> dict[str, Any]:
    """Return a model's hyperparameters, those that the data determines filled in.

    `load_from_checkpoint` rebuilds the module and its network from these alone.

    Args:
        model: {"class_path", "init_args"} as configured, without linked values.
        datamodule: The data that the values are linked from.
    """
    arguments = _filled(model, datamodule, MODEL_LINKS)["init_args"]
    arguments["network"] = _filled(arguments["network"], datamodule, NETWORK_LINKS)
    return {
        "_class_path": model["class_path"],
        "_instantiator": "lightning.pytorch.cli.instantiate_module",
        **arguments,
    }


def _filled(config: dict[str, Any], datamodule: L.LightningDataModule, links: Mapping[str, str]) -> dict[str, Any]:
    accepted = class_arguments(config["class_path"])
    linked = {target: getattr(datamodule, source) for source, target in links.items() if target in accepted}
    return {**config, "init_args": {**(config.get("init_args") or {}), **linked}}


def log_hyperparameters(trainer: L.Trainer, settings: dict[str, Any]) -> None:
    """Log hyperparameters to TensorBoard, with the best epoch's validation metrics.

    Args:
        trainer: The trainer, after training.
        settings: All settings of the run; arguments at their default are left out.
    """
    summary = find_callback(trainer, Summary)
    best = summary.best(trainer) if summary is not None else None
    if best is None:
        return
    names = [name for name in shared_metrics([best]) if f"val/{name}" in best]
    metrics = {f"best/{name}": best[f"val/{name}"] for name in names}
    parameters = {"seed": settings["seed_everything"], "model": settings["model"], "data": settings["data"]}
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(_flat(parameters), metrics, step=trainer.current_epoch)
            logger.save()  # before the run counts as ended


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested settings as {"model.network": "MLP", "model.network.dropout": 0.2}."""
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        value = {str(number): item for number, item in enumerate(value)}
    if not isinstance(value, dict):
        return {prefix: value if isinstance(value, (bool, int, float)) else str(value)}
    named = {prefix: value["class_path"].rsplit(".", 1)[-1]} if "class_path" in value else {}
    items = _departures(value) if named else value
    flat = [_flat(item, f"{prefix}.{key}" if prefix else key) for key, item in items.items()]
    return named | {key: item for nested in flat for key, item in nested.items()}


def _departures(config: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a {"class_path", "init_args"} that differ from the class's defaults."""
    defaults = {name: argument.default for name, argument in class_arguments(config["class_path"]).items()}
    defaults = {key: list(value) if isinstance(value, tuple) else value for key, value in defaults.items()}
    arguments: dict[str, Any] = config.get("init_args") or {}
    return {key: value for key, value in arguments.items() if key not in defaults or value != defaults[key]}
