"""Hyperparameters: in checkpoints, so that a class rebuilds itself; in TensorBoard, once, beside the result."""

from typing import Any

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger

from callbacks.history import History
from callbacks.summary import Summary
from callbacks.trainer import find_callback
from scripts.messages import class_arguments

LINKED = ("num_classes", "input_shape")


def with_linked_values(model: dict[str, Any], datamodule: L.LightningDataModule) -> dict[str, Any]:
    """Return a model's hyperparameters with what the data determines filled in.

    `load_from_checkpoint` rebuilds the module, nested network included, from these alone.

    Args:
        model: {"class_path", "init_args"} as configured, without linked values.
        datamodule: The data that the values are linked from.
    """
    arguments = _filled(model, datamodule)["init_args"]
    arguments["network"] = _filled(arguments["network"], datamodule)
    return {
        "_class_path": model["class_path"],
        "_instantiator": "lightning.pytorch.cli.instantiate_module",
        **arguments,
    }


def _filled(config: dict[str, Any], datamodule: L.LightningDataModule) -> dict[str, Any]:
    accepted = class_arguments(config["class_path"])
    linked = {key: getattr(datamodule, key) for key in LINKED if key in accepted}
    return {**config, "init_args": {**(config.get("init_args") or {}), **linked}}


def log_hyperparameters(trainer: L.Trainer, config: Any) -> None:
    """Log the hyperparameters that were set to TensorBoard, with the best epoch's validation figures."""
    history = find_callback(trainer, History)
    summary = find_callback(trainer, Summary)
    best = history.best(summary.monitor, summary.mode) if history is not None and summary is not None else None
    if best is None:
        return
    metrics = {f"best/{name}": value for name, value in best.items() if name.startswith("val/")}
    chosen = config.as_dict()
    parameters = {"seed": chosen["seed_everything"], **_flat({key: chosen[key] for key in ("model", "data")})}
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(parameters, metrics, step=trainer.current_epoch)


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested settings as {"model.network": "MLP", "model.network.dropout": 0.2}, leaving out what is unset."""
    if isinstance(value, dict) and "class_path" in value:
        name = {prefix: value["class_path"].rsplit(".", 1)[-1]}
        return name | _flat(value.get("init_args") or {}, prefix)
    if isinstance(value, dict):
        items = [_flat(item, f"{prefix}.{key}" if prefix else key) for key, item in value.items()]
        return {key: item for flat in items for key, item in flat.items()}
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        items = [_flat(item, f"{prefix}.{number}") for number, item in enumerate(value)]
        return {key: item for flat in items for key, item in flat.items()}
    if value is None or value == []:
        return {}
    return {prefix: value if isinstance(value, (bool, int, float)) else str(value)}
