"""The recipe inside a checkpoint, so that `test`, `validate` and `predict` need nothing else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from callbacks import Checkpoint, CheckpointError, EarlyStopping, load_checkpoint
from datamodules.regular_files import HostileFileError, read_text
from models.bounded_yaml import LARGEST_TEXT, load_yaml
from models.own_runs import Name, signed_names
from models.trusted import TRUSTED, untrusted, untrusted_run
from scripts.cli.command_line import NAMED_BY_FLAG
from scripts.cli.recipe_text import dump_recipe
from scripts.cli.runs import run_folder_of
from scripts.cli.trainer import Trainer

CONFIG_KEY = "holdout_config"
NO_RECIPE = "has no recipe (it was not made by `holdout fit`); give one with -c"
WITHOUT_CLASS = {"trainer": Trainer, "early_stopping": EarlyStopping, "checkpoint": Checkpoint}


def stored_settings(path: Path) -> dict[str, Any] | None:
    """Return the settings of the run that wrote a checkpoint; None if they are not in it.

    Raises:
        CheckpointError: The file is not a checkpoint, or they cannot be read.
    """
    text = load_checkpoint(path).get(CONFIG_KEY)
    try:
        settings = load_yaml(text) if isinstance(text, str) else None
    except yaml.YAMLError as error:
        raise CheckpointError(f"{path} has no recipe that can be read: {' '.join(str(error).split())}") from error
    return settings if isinstance(settings, dict) else None


def trainer_of(settings: dict[str, Any] | None) -> dict[str, Any]:
    """Return the trainer's part of a run's settings; nothing if they have none that can be read."""
    trainer = (settings or {}).get("trainer")
    return trainer if isinstance(trainer, dict) else {}


def read_config(path: Path) -> dict[str, Any]:
    """Return a checkpoint's model and data, and the precision it was trained with.

    Trainer, callbacks and loggers come from the command line.

    Raises:
        CheckpointError: The file is not a checkpoint, has no recipe, or names a class of a package that is not
            `TRUSTED`: a stranger's checkpoint must not choose which modules are imported. The user's own may.
    """
    config = stored_settings(path)
    if config is None:
        raise CheckpointError(f"{path} {NO_RECIPE}")
    for part in ("model", "data"):
        if not _names_class(config.get(part)):
            raise CheckpointError(f"{path} has no recipe (its {part} is {config.get(part)!r}); give one with -c")
    kept = {"model": config["model"], "data": config["data"]}
    for place, name in not_own(untrusted(kept), path):
        folder = run_folder_of(path)
        recipe = f"-c {folder / 'config.yaml'}" if folder is not None else "-c RECIPE"
        raise CheckpointError(
            f"{path} names {name} at {place}; from a checkpoint only classes of {', '.join(TRUSTED)} are imported. "
            f"If you trust it, give its recipe too: {recipe}"
        )
    precision = trainer_of(config).get("precision")
    return kept | ({"trainer": {"precision": str(precision)}} if precision is not None else {})


def read_stored_recipe(path: Path) -> str:
    """Return the text of the recipe inside a checkpoint that is to be resumed outside its run's folder.

    Raises:
        CheckpointError: It holds none, or one that names a class of a package that is not `TRUSTED`, or a path outside.
    """
    settings = stored_settings(path)
    if settings is None:
        raise CheckpointError(f"{path} {NO_RECIPE}")
    _check_trusted(path, settings, "-c RECIPE", path)
    return dump_recipe(settings)


def read_run_recipe(path: Path, checkpoint: Path) -> str:
    """Return the text of the `config.yaml` beside a checkpoint that is to be resumed.

    Whoever made the checkpoint made this file: what the one must not name the other must not name either, unless the
    user names the file with `-c`, or has signed the names in the checkpoint.

    Raises:
        CheckpointError: It cannot be read, or names a class of a package that is not `TRUSTED`, or a path outside.
    """
    try:
        text = read_text(path, largest=4 * LARGEST_TEXT)
        settings = load_yaml(text)
    except HostileFileError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(settings, dict):
        raise CheckpointError(f"{path} is not a recipe: give one with -c")
    _check_trusted(path, settings, f"-c {path}", checkpoint)
    return text


def _check_trusted(path: Path, settings: dict[str, Any], recipe: str, checkpoint: Path) -> None:
    for place, name in not_own(untrusted_settings(settings), checkpoint):
        raise CheckpointError(
            f"{path} names {name} at {place}; to go on from a checkpoint only classes of {', '.join(TRUSTED)} are "
            f"imported, and only paths below the working directory written to. If you trust it, give its recipe too: "
            f"{recipe}"
        )


def untrusted_settings(settings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (place, text) of all in a run's settings that its folder alone must not bring."""
    checked = {key: value for key, value in settings.items() if key not in NAMED_BY_FLAG or not isinstance(value, str)}
    return untrusted_run(checked, WITHOUT_CLASS)


def not_own(names: Iterator[Name], checkpoint: Path) -> list[Name]:
    """Return those of the names that this user did not sign when a checkpoint was written."""
    found = list(names)
    own = signed_names(load_checkpoint(checkpoint)) if found else frozenset()
    return [name for name in found if name not in own]


def _names_class(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("class_path"), str)
