"""Hyperparameters in checkpoints, so that a class can be rebuilt; what the data determines is filled in."""

from collections.abc import Mapping
from typing import Any

import lightning as L

from datamodules import DataModule
from scripts.cli.constructor import class_arguments

# Attributes of the data -> the arguments of model and network that they fill in, where the class has them.
MODEL_LINKS = {name: name for name in ("num_classes", "num_labels", "target_mean", "target_std")}
NETWORK_LINKS = {
    "num_outputs": "num_classes",
    "input_shape": "input_shape",
    "category_blocks": "category_blocks",
    "num_tokens": "num_tokens",
}
FROM_DATA = {*MODEL_LINKS.values(), *NETWORK_LINKS.values()}
# What a network for data that state no `num_outputs` has as many outputs as.
NUM_OUTPUTS = ("num_outputs", "num_classes")
METRIC_LINKS = {name: name for name in ("num_classes", "num_labels", "num_outputs")}  # by the task


def links(data_class: type | None) -> dict[str, str]:
    """Return the attributes of the data that fill in arguments, by the place of each argument.

    Data of this project state all of them. Of another class those count that the class itself has: a class attribute
    or a property. What the data do not state is given in the recipe.

    Args:
        data_class: The class of the data; None if it is not known.
    """
    model = {f"model.init_args.{target}": source for source, target in MODEL_LINKS.items()}
    network = {f"model.init_args.network.init_args.{target}": source for source, target in NETWORK_LINKS.items()}
    if data_class is None or issubclass(data_class, DataModule):
        return model | network
    outputs = next((name for name in NUM_OUTPUTS if hasattr(data_class, name)), NUM_OUTPUTS[0])
    stated = {place: outputs if source in NUM_OUTPUTS else source for place, source in network.items()} | model
    return {place: source for place, source in stated.items() if hasattr(data_class, source)}


def with_linked_values(model: dict[str, Any], datamodule: L.LightningDataModule) -> dict[str, Any]:
    """Return a model's hyperparameters, those that the data determines filled in.

    `load_from_checkpoint` rebuilds the module and its network from these alone.

    Args:
        model: {"class_path", "init_args"} as configured, without linked values.
        datamodule: The data that the values are linked from.
    """
    filled = links(type(datamodule))
    arguments = _filled(model, datamodule, filled, "model.init_args.")["init_args"]
    arguments["network"] = _filled(arguments["network"], datamodule, filled, "model.init_args.network.init_args.")
    return {
        "_class_path": model["class_path"],
        "_instantiator": "lightning.pytorch.cli.instantiate_module",
        **arguments,
    }


def _filled(
    config: dict[str, Any], datamodule: L.LightningDataModule, filled: Mapping[str, str], above: str
) -> dict[str, Any]:
    accepted = class_arguments(config["class_path"])
    sources = {place.removeprefix(above): source for place, source in filled.items()}
    linked = {name: getattr(datamodule, source) for name, source in sources.items() if name in accepted}
    return {**config, "init_args": {**(config.get("init_args") or {}), **linked}}
