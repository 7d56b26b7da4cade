"""Hyperparameters in checkpoints, so that a class can be rebuilt; what the data determines is filled in."""

from collections.abc import Mapping
from typing import Any

import lightning as L

from scripts.cli.constructor import class_arguments

# Attributes of the data -> the arguments of model and network that they fill in, where the class has them.
MODEL_LINKS = {name: name for name in ("num_classes", "num_labels", "target_mean", "target_std")}
NETWORK_LINKS = {
    "num_outputs": "num_classes",
    "input_shape": "input_shape",
    "category_blocks": "category_blocks",
    "num_tokens": "num_tokens",
}


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
