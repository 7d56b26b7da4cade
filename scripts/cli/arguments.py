"""What must be known about a command line before it is parsed: the run it names and the recipe it implies."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scripts.cli.checkpoint_config import read_config
from scripts.cli.runs import RUN_FOLDER_VARIABLE, UsageError, find_checkpoint, folder_to_resume, run_folder_of

EVALUATIONS = ("validate", "test", "predict")


@dataclass(frozen=True)
class Invocation:
    """A command line, completed.

    Attributes:
        arguments: The arguments for the parser: a checkpoint's recipe comes first, so that flags win over it.
        name: Name of the run: the recipe's file name without ending, unless `--name` says otherwise.
        runs_dir: Folder of all runs.
        checkpoint: The checkpoint's file, with "last" and "best" resolved.
    """

    arguments: list[str]
    name: str
    runs_dir: Path
    checkpoint: Path | None


def complete(arguments: list[str]) -> Invocation:
    """Find the checkpoint that a command line means and put its recipe before the other arguments.

    Raises:
        UsageError: A recipe or a checkpoint is needed and not given, is not there, or is none.
        CheckpointError: The checkpoint cannot be read.
    """
    try:
        known, _ = _quick_parser().parse_known_args(arguments)
    except argparse.ArgumentError:  # the full parser words it
        return Invocation(arguments, "run", Path("runs"), None)
    for key in ("ckpt_path", "name", "runs_dir"):
        if getattr(known, key) == "null":
            setattr(known, key, None)
    contents = _contents(known.config or [])
    written = {key: value for content in contents for key, value in content.items() if value}
    whole = all(any(_names_class(content.get(part)) for content in contents) for part in ("model", "data"))
    overlays_only = bool(known.ckpt_path) and not whole
    recipe = Path(known.config[0]) if known.config and not overlays_only else None
    name = known.name or written.get("name") or (_recipe_name(recipe) if recipe else None)
    if name is not None and (name in ("", ".", "..") or Path(name).name != name):
        raise UsageError(f"--name {name}: a run's name is one folder below runs_dir, without slashes")
    named_dir = Path(known.runs_dir) if known.runs_dir else None
    runs_dir = Path(named_dir or written.get("runs_dir") or "runs")
    asks_only = known.help or known.print_config is not None or known.subcommand not in ("fit", *EVALUATIONS)
    asks_only = asks_only or any(argument.split("=")[0].endswith(".help") for argument in arguments)
    if asks_only:
        return Invocation(arguments, name or "run", runs_dir, None)
    checkpoint = find_checkpoint(known.ckpt_path, runs_dir, name) if known.ckpt_path else None
    folder = run_folder_of(checkpoint) if checkpoint else None
    name = name or (folder.parent.name if folder else "run")
    before: list[str] = []
    if known.subcommand in EVALUATIONS:
        if checkpoint is None:
            raise UsageError(
                f"{known.subcommand} needs a checkpoint: --ckpt_path runs/NAME/version_N/checkpoints/best.ckpt"
            )
        if recipe is None:
            before = ["--config", yaml.safe_dump(read_config(checkpoint))]
    elif recipe is None and folder is not None:
        before = ["--config", str(folder / "config.yaml")]
    elif recipe is None and not any(argument.startswith("--model") for argument in arguments):
        raise UsageError(f"fit needs a recipe: -c FILE{_recipes()}")
    if known.subcommand == "fit" and checkpoint is not None and (kept := folder_to_resume(checkpoint, name, named_dir)):
        os.environ.setdefault(RUN_FOLDER_VARIABLE, str(kept))
    after = ["--ckpt_path", str(checkpoint)] if checkpoint else []
    position = arguments.index(known.subcommand) + 1
    return Invocation([*arguments[:position], *before, *arguments[position:], *after], name, runs_dir, checkpoint)


def _quick_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("subcommand", nargs="?")
    parser.add_argument("-c", "--config", action="append")
    parser.add_argument("--ckpt_path")
    parser.add_argument("--name")
    parser.add_argument("--runs_dir")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--print_config", nargs="?", const="")
    return parser


def _recipe_name(recipe: Path) -> str:
    """Return a recipe's name: its file's, or for a run's `config.yaml` that of the run."""
    in_run = recipe.name == "config.yaml" and recipe.absolute().parent.name.startswith("version_")
    return recipe.absolute().parents[1].name if in_run else recipe.stem


def _contents(configs: list[str]) -> list[dict[str, Any]]:
    """Return what the given files hold; what cannot be read, the parser will say."""
    found = []
    for config in configs:
        try:
            content = yaml.safe_load(Path(config).read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            continue
        if not isinstance(content, dict):
            raise UsageError(f"{config} is no recipe: it holds {content!r}, not keys such as model and data")
        found.append(content)
    return found


def _names_class(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, dict) and "class_path" in value)


def _recipes() -> str:
    recipes = sorted(str(path) for path in Path("configs").glob("*.yaml"))
    return f"; there are {', '.join(recipes)}" if recipes else ""
