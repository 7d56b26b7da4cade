"""The recipe that a checkpoint carries, so that `test`, `validate` and `predict` need nothing else."""

import re
from pathlib import Path
from typing import Any

import yaml

from callbacks import CheckpointError, load_checkpoint

CONFIG_KEY = "holdout_config"
TRUSTED = ("models", "datamodules", "callbacks", "torch", "torchvision", "lightning")
CLASS_KEYS = ("class_path", "optimizer", "lr_scheduler", "loss", "network")


def read_config(path: Path) -> dict[str, Any]:
    """Return what a checkpoint says about model and data, and the precision it was trained with.

    Nothing else is taken from it: trainer, callbacks and loggers are the command line's.

    Raises:
        CheckpointError: The file is no checkpoint, carries no recipe, or names a class of a package that is not
            `TRUSTED`: a stranger's checkpoint must not choose what is imported.
    """
    text = load_checkpoint(path).get(CONFIG_KEY)
    config = yaml.safe_load(text) if isinstance(text, str) else None
    if not isinstance(config, dict) or not {"model", "data"} <= config.keys():
        raise CheckpointError(f"{path} carries no recipe (it was not made by `holdout fit`); give one with -c")
    kept = {"model": config["model"], "data": config["data"]}
    for class_path in _class_paths(kept):
        if class_path.split(".")[0] not in TRUSTED:
            raise CheckpointError(
                f"{path} names the class {class_path}; from a checkpoint only classes of {', '.join(TRUSTED)} are "
                f"imported. If you trust it, give its recipe with -c"
            )
    precision = config.get("trainer", {}).get("precision")
    if precision is not None:
        kept["trainer"] = {"precision": precision}
    return kept


def _class_paths(value: Any) -> list[str]:
    """Return every dotted name in `value` at a place where jsonargparse would import it."""
    if isinstance(value, list):
        return [name for item in value for name in _class_paths(item)]
    if not isinstance(value, dict):
        return []
    named = [v for k, v in value.items() if k in CLASS_KEYS and isinstance(v, str) and re.fullmatch(r"[\w.]+", v)]
    return named + [name for item in value.values() for name in _class_paths(item)]
