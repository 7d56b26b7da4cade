"""The recipe inside a checkpoint, so that `test`, `validate` and `predict` need nothing else."""

from pathlib import Path
from typing import Any

import yaml

from callbacks import CheckpointError, load_checkpoint
from models.trusted import TRUSTED, untrusted
from scripts.cli.runs import run_folder_of

CONFIG_KEY = "holdout_config"


def read_config(path: Path) -> dict[str, Any]:
    """Return a checkpoint's model and data, and the precision it was trained with.

    Trainer, callbacks and loggers come from the command line.

    Raises:
        CheckpointError: The file is not a checkpoint, has no recipe, or names a class of a package that is not
            `TRUSTED`: a stranger's checkpoint must not choose which modules are imported.
    """
    text = load_checkpoint(path).get(CONFIG_KEY)
    try:
        config = yaml.safe_load(text) if isinstance(text, str) else None
    except yaml.YAMLError:
        config = None
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} has no recipe (it was not made by `holdout fit`); give one with -c")
    for part in ("model", "data"):
        if not _names_class(config.get(part)):
            raise CheckpointError(f"{path} has no recipe (its {part} is {config.get(part)!r}); give one with -c")
    kept = {"model": config["model"], "data": config["data"]}
    for place, name in untrusted(kept):
        folder = run_folder_of(path)
        recipe = f"-c {folder / 'config.yaml'}" if folder is not None else "-c RECIPE"
        raise CheckpointError(
            f"{path} names {name} at {place}; from a checkpoint only classes of {', '.join(TRUSTED)} are imported. "
            f"If you trust it, give its recipe too: {recipe}"
        )
    trainer = config.get("trainer")
    precision = trainer.get("precision") if isinstance(trainer, dict) else None
    return kept | ({"trainer": {"precision": str(precision)}} if precision is not None else {})


def _names_class(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("class_path"), str)
