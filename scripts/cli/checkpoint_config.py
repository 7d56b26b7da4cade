"""The recipe inside a checkpoint, so that `test`, `validate` and `predict` need nothing else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from callbacks import Checkpoint, CheckpointError, EarlyStopping, load_checkpoint
from datamodules.regular_files import HostileFileError, read_text
from models.bounded_yaml import LARGEST_TEXT, TooMuchYAMLError, load_yaml
from models.trusted import TRUSTED, untrusted, untrusted_run
from scripts.cli.command_line import NAMED_BY_FLAG
from scripts.cli.runs import run_folder_of
from scripts.cli.trainer import Trainer

CONFIG_KEY = "holdout_config"
WITHOUT_CLASS = {"trainer": Trainer, "early_stopping": EarlyStopping, "checkpoint": Checkpoint}


def read_config(path: Path) -> dict[str, Any]:
    """Return a checkpoint's model and data, and the precision it was trained with.

    Trainer, callbacks and loggers come from the command line.

    Raises:
        CheckpointError: The file is not a checkpoint, has no recipe, or names a class of a package that is not
            `TRUSTED`: a stranger's checkpoint must not choose which modules are imported.
    """
    text = load_checkpoint(path).get(CONFIG_KEY)
    try:
        config = load_yaml(text) if isinstance(text, str) else None
    except TooMuchYAMLError as error:
        raise CheckpointError(f"{path} has no recipe that can be read: {error}") from error
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


def read_run_recipe(path: Path) -> str:
    """Return the text of the `config.yaml` beside a checkpoint that is to be resumed.

    Whoever made the checkpoint made this file: what the one must not name the other must not name either, unless the
    user names the file with `-c`.

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
    for place, name in untrusted_settings(settings):
        raise CheckpointError(
            f"{path} names {name} at {place}; from the folder of a checkpoint only classes of {', '.join(TRUSTED)} are "
            f"imported, and only paths below the working directory written to. If you trust it, give it too: -c {path}"
        )
    return text


def untrusted_settings(settings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (place, text) of all in a run's settings that its folder alone must not bring."""
    checked = {key: value for key, value in settings.items() if key not in NAMED_BY_FLAG or not isinstance(value, str)}
    return untrusted_run(checked, WITHOUT_CLASS)


def _names_class(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("class_path"), str)
