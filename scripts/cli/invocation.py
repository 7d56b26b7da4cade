"""The run, the checkpoint and the recipe that a command line means."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import lightning as L
from lightning.pytorch.utilities import rank_zero_warn

from callbacks.checkpoint_io import CheckpointError
from models.bounded_yaml import load_yaml
from scripts.cli.checkpoint_config import read_config, read_run_recipe, read_stored_recipe
from scripts.cli.command_line import CommandLine, shortened
from scripts.cli.errors import UsageError
from scripts.cli.first_process import RUN_FOLDER_VARIABLE
from scripts.cli.given_weights import names_weights, take_weights
from scripts.cli.jobs import JOBS
from scripts.cli.named import named_class
from scripts.cli.recipe_text import dump_recipe
from scripts.cli.runs import (
    find_checkpoint,
    folder_to_resume,
    folder_to_start_again,
    newest_whole,
    run_folder_of,
)

LONGEST_NAME = 255  # bytes in the name of a file, on all common file systems


@dataclass(frozen=True)
class Invocation:
    """A command line, resolved.

    Attributes:
        arguments: The arguments for the parser: a checkpoint's recipe comes first, so that flags win over it.
        name: Name of the run: the recipe's file name without ending, unless `--name` says otherwise.
        runs_dir: Folder of all runs.
        checkpoint: The checkpoint's file, with "last" and "best" resolved; None for a new run, or for an evaluation of
            weights that no run made.
        recipes: The text behind each `-c` of `arguments`.
        weights: File of weights to measure, for a network that takes none itself.
        data_class: The class of the data, if it is named and found.
    """

    arguments: list[str]
    name: str = "run"
    runs_dir: Path = Path("runs")
    checkpoint: Path | None = None
    recipes: dict[str, str] = field(default_factory=dict)
    weights: str | None = None
    data_class: type | None = None


def resolve(line: CommandLine) -> Invocation:
    """Find the checkpoint that a command line means, and put its recipe before the other arguments.

    Raises:
        UsageError: A recipe or a checkpoint is needed and not given, or is not there.
        CheckpointError: The checkpoint cannot be read.
    """
    # Where a run was resumed from is not part of its recipe: repeating it would be another run.
    arguments = [word for flag in line.flags for word in flag.words if flag.name != "--ckpt_path"]
    recipes = {path: recipe.text for path, recipe in line.recipes.items()}
    written = {key: value for recipe in line.recipes.values() for key, value in recipe.content.items() if value}
    named = frozenset[str]().union(*(recipe.classes for recipe in line.recipes.values()))
    wanted = line.values.get("--ckpt_path")
    overlays_only = wanted is not None and not named >= {"model", "data"}
    recipe = None if overlays_only else next(map(Path, line.recipes), None)
    name = line.values.get("--name") or written.get("name") or (_recipe_name(recipe) if recipe else None)
    if name is not None and (name in ("", ".", "..") or Path(name).name != name):
        raise UsageError(f"--name {name}: a run's name is one folder below runs_dir, without slashes")
    if name is not None and len(os.fsencode(name)) > LONGEST_NAME:
        raise UsageError(f"--name {shortened(name)} is longer than a folder's name, {LONGEST_NAME} bytes")
    if name is not None and len(name.splitlines()) > 1:
        raise UsageError(f"--name {name!r}: a run's name is one line")
    named_dir = Path(line.values["--runs_dir"]) if line.values.get("--runs_dir") else None  # type: ignore[arg-type]
    runs_dir = Path(named_dir or written.get("runs_dir") or "runs")
    only_prints = "--print_config" in line.values
    if line.asks_help or (only_prints and (recipe is not None or not wanted)):
        return Invocation(arguments, name or "run", runs_dir, None, recipes, data_class=_data_class(line))
    best_or_last = "last" if line.job == "fit" else "best"
    if wanted == "auto" and line.job != "fit":
        raise UsageError(f"--ckpt_path auto is for fit; give best or last to {line.job}")
    meant = find_checkpoint(wanted, runs_dir, name, best_or_last) if wanted else None
    checkpoint = _whole(meant, wanted) if meant and meant.name == "last.ckpt" else meant
    folder = run_folder_of(checkpoint) if checkpoint else None
    name = name or (folder.absolute().parent.name if folder else "run")
    on_checkpoint = JOBS[line.job].needs_checkpoint
    if on_checkpoint and checkpoint is None and not (recipe and names_weights(line)):
        raise UsageError(
            f"{line.job} needs a checkpoint: --ckpt_path runs/NAME/version_N/checkpoints/best.ckpt; or, for weights "
            f"that no run made, a recipe and their file: -c RECIPE --model.network.weights FILE"
        )
    if on_checkpoint and checkpoint is not None and recipe is None:
        recipes[str(checkpoint)] = dump_recipe(read_config(checkpoint))
        arguments = [f"--config={checkpoint}", *arguments]
    elif recipe is None and checkpoint is not None and folder is not None:
        path = folder / "config.yaml"
        recipes[str(path)] = read_run_recipe(path, checkpoint)
        arguments = [f"--config={path}", *arguments]
    elif recipe is None and checkpoint is not None:
        recipes[str(checkpoint)] = read_stored_recipe(checkpoint)
        arguments = [f"--config={checkpoint}", *arguments]
    elif recipe is None and not any(flag.name.startswith("--model") for flag in line.flags):
        own = "data of your own (--data.path TABLE --data.target COLUMN; --data ImageFolder --data.data_dir FOLDER)"
        raise UsageError(f"{line.job} needs a recipe: -c FILE, or {own}{_recipes_there_are()}")
    arguments, weights = take_weights(line, arguments) if on_checkpoint and checkpoint is None else (arguments, None)
    if only_prints:
        return Invocation(arguments, name, runs_dir, checkpoint, recipes, weights, _data_class(line, recipes))
    if line.job == "fit" and checkpoint and meant and (kept := folder_to_resume(meant, name, named_dir)):
        os.environ.setdefault(RUN_FOLDER_VARIABLE, str(kept))
    if wanted == "auto" and meant is None and (begun := folder_to_start_again(runs_dir, name)):
        os.environ.setdefault(RUN_FOLDER_VARIABLE, str(begun))
    return Invocation(arguments, name, runs_dir, checkpoint, recipes, weights, _data_class(line, recipes))


def _data_class(line: CommandLine, recipes: Mapping[str, str] | None = None) -> type | None:
    """Return the class of the data that the command line, or else a checkpoint's recipe, names."""
    first = next((text for path, text in (recipes or {}).items() if path not in line.recipes), "")
    content = load_yaml(first) if first else None
    return named_class(line, L.LightningDataModule, "data", begin=content if isinstance(content, dict) else None)


def _whole(last: Path, wanted: str | None) -> Path | None:
    """Return the checkpoint to take for a run's `last.ckpt`; None if "auto" is wanted and no checkpoint is whole.

    Raises:
        CheckpointError: No checkpoint is whole.
    """
    try:
        return newest_whole(last)
    except CheckpointError as error:
        if wanted != "auto":
            raise
        rank_zero_warn(f"{error}; a new run starts")
        return None


def _recipe_name(recipe: Path) -> str:
    """Return a recipe's name: its file's, or for a run's `config.yaml` that of the run."""
    in_run = recipe.name == "config.yaml" and recipe.absolute().parent.name.startswith("version_")
    return recipe.absolute().parents[1].name if in_run else recipe.stem


def _recipes_there_are() -> str:
    recipes = sorted(str(path) for path in Path("configs").glob("*.yaml"))
    return f"; holdout list recipes shows the {len(recipes)} in configs, such as {recipes[0]}" if recipes else ""
