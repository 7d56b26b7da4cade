"""The recipe that a checkpoint carries, so that `test`, `validate` and `predict` need nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from callbacks import CheckpointError, load_checkpoint

CONFIG_KEY = "holdout_config"
TRUSTED = ("models", "datamodules", "callbacks", "torch", "torchvision", "lightning")
FOLDER_PLACE = re.compile(r"data\.init_args\.\w+_dir")  # the one place where a path is expected
PLAIN = re.compile(r"[\w+-]*(/[\w+-]+)?")  # batch, bf16-mixed, val/loss


def read_config(path: Path) -> dict[str, Any]:
    """Return what a checkpoint says about model and data, and the precision it was trained with.

    Nothing else is taken from it: trainer, callbacks and loggers are the command line's.

    Raises:
        CheckpointError: The file is no checkpoint, carries no recipe, or names a class of a package that is not
            `TRUSTED`: a stranger's checkpoint must not choose what is imported.
    """
    text = load_checkpoint(path).get(CONFIG_KEY)
    try:
        config = yaml.safe_load(text) if isinstance(text, str) else None
    except yaml.YAMLError:
        config = None
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} carries no recipe (it was not made by `holdout fit`); give one with -c")
    for part in ("model", "data"):
        if not _names_class(config.get(part)):
            raise CheckpointError(f"{path} carries no recipe (its {part} is {config.get(part)!r}); give one with -c")
    kept = {"model": config["model"], "data": config["data"]}
    for place, name in _importable(kept):
        if name.split(".")[0] not in TRUSTED or not place.endswith("class_path"):
            raise CheckpointError(
                f"{path} names {name} at {place}; from a checkpoint only classes of {', '.join(TRUSTED)} are "
                f"imported. If you trust it, give its recipe with -c"
            )
    trainer = config.get("trainer")
    precision = trainer.get("precision") if isinstance(trainer, dict) else None
    return kept | ({"trainer": {"precision": str(precision)}} if precision is not None else {})


def _names_class(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("class_path"), str)


def _importable(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield (place, text) of everything in `value` that a parser might take for a class or for a file to read.

    What `holdout fit` writes names classes at "class_path" alone, and its keys hold no dots.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            if not str(key).isidentifier():
                yield place, f"{key}: {item}"
            yield from _importable(item, f"{place}.{key}".lstrip("."))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _importable(item, f"{place}.{number}")
    elif isinstance(value, str) and (place.endswith("class_path") or not _is_plain(value, place)):
        yield place, value


def _is_plain(value: str, place: str) -> bool:
    """Return whether a text can be nothing but a text: no class, file, address or YAML of its own."""
    if FOLDER_PLACE.fullmatch(place):
        return "://" not in value and _is_yaml_text(value)
    return PLAIN.fullmatch(value) is not None and not Path(value).exists()


def _is_yaml_text(value: str) -> bool:
    try:
        return bool(yaml.safe_load(value) == value)
    except yaml.YAMLError:
        return False
