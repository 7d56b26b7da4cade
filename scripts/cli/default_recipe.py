"""The recipe that trains on data of one's own where the command line names none: chosen by the data."""

from dataclasses import replace
from pathlib import Path

from jsonargparse import Namespace
from lightning.pytorch.utilities import rank_zero_only

from callbacks.printing import say
from datamodules import DataModule
from datamodules.samples import labelled_steps
from models import Classifier, MultiLabelClassifier, Regressor
from models.init_args import find_class
from scripts.cli.building import BUILT, build_object
from scripts.cli.choices import exported, path_of
from scripts.cli.command_line import CommandLine, Flag, Recipe
from scripts.cli.constructor import REQUIRED, constructor_arguments
from scripts.cli.invocation import resolve
from scripts.cli.jobs import Job
from scripts.cli.parser import Parser, parse
from scripts.cli.session import seed_process
from scripts.cli.start_up_cache import ROOT

OUTPUT = "--model.network.output"
PRINT = "--print_config"
FOLDER = "/"  # among the endings of files that a datamodule reads


def needs_default_recipe(line: CommandLine) -> bool:
    """Return whether a command line trains on data of one's own, and names neither a recipe nor a checkpoint."""
    names_recipe = any(recipe.classes for recipe in line.recipes.values())
    names_data = any(name.startswith("--data") for name in line.values)
    named = names_recipe or line.values.get("--ckpt_path") not in (None, "auto")  # which may begin a run
    return line.job == "fit" and names_data and not named and not line.asks_help and _data_class(line) is not None


def with_default_recipe(job: Job, line: CommandLine) -> tuple[CommandLine, DataModule]:
    """Return a command line that begins with the recipe for its data, and the data, read; say which recipe.

    The task is the one that the target needs, and so is an output at every step. The run is called after the data,
    unless `--name` says otherwise.

    Raises:
        UsageError: The command line is wrong.
        DataError: The data cannot be read.
    """
    cls = _data_class(line)
    assert cls is not None
    path = ROOT / "configs" / f"{cls.default_recipe}.yaml"
    shown = str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
    source = line.values.get(f"--data.{cls.named_after}") or ""
    first = [Flag("-c", shown, ["-c", shown]), _flag("--data", path_of(cls))]
    first += [_flag("--name", Path(source).absolute().stem)] if source and "--name" not in line.values else []
    data_flags = [flag for flag in line.flags if flag.name == "--data"]
    others = [flag for flag in line.flags if flag not in data_flags]
    line = replace(
        line,
        flags=[*first, *others],
        values=line.values | {flag.name: flag.value for flag in first if flag.name != "-c"},
        recipes={shown: Recipe.read(shown)} | line.recipes,
    )
    data = _read_data(job, line)
    fitting = MultiLabelClassifier if data.num_labels else Classifier if data.class_names else Regressor
    task = line.values.get("--model") or path_of(fitting)
    of_steps = labelled_steps(data.samples.targets) is not None
    every = of_steps and not {"--model.network", OUTPUT} & line.values.keys()
    needed = [_flag("--model", task), *([_flag(OUTPUT, "every")] if every else [])]
    words = f"{task} and an output for each step ({OUTPUT} every)" if every else task
    mark = "# " if PRINT in line.values else ""  # what is printed is a recipe, this line a comment in it
    said = f"recipe {shown}, the one for {cls.__name__}, with {words}; choose others with -c, --model and other flags"
    _say(mark + said)
    return replace(line, flags=[first[0], *needed, *line.flags[1:]]), data


def _data_class(line: CommandLine) -> type[DataModule] | None:
    """Return the datamodule that the flags mean, if it has a default recipe: by its name, or by its arguments."""
    candidates = [cls for cls in exported() if issubclass(cls, DataModule) and cls.default_recipe]
    named = line.values.get("--data")
    if named:
        return next((cls for cls in candidates if cls.__name__ == named or find_class(named) is cls), None)
    fitting = [cls for cls in candidates if _reads(cls, line.values.get(f"--data.{cls.named_after}"))]
    given = {name.split(".")[1].rstrip("+") for name in line.values if name.startswith("--data.")}
    ending = _ending(line.values.get("--data.path") or "")
    return min(fitting, key=lambda cls: _misfit(cls, given, ending), default=None)


def _misfit(cls: type[DataModule], given: set[str], ending: str) -> tuple[int, int, int]:
    """Return how badly a datamodule fits a command line.

    Returns:
        How many of the given arguments it does not take, how unlikely it is for the file's ending, and how many
        arguments that it needs are not given.
    """
    needed = {argument.name: argument.default is REQUIRED for argument in constructor_arguments(cls)}
    rank = cls.file_endings.index(ending) if ending in cls.file_endings else 0
    missing = sum(required and name not in given for name, required in needed.items())
    return len(given - needed.keys()), rank, missing


def _reads(cls: type[DataModule], source: str | None) -> bool:
    """Return whether a datamodule reads the file or folder that the command line gives."""
    if source is None:
        return False
    return _ending(source) in (cls.file_endings or (FOLDER,))


def _ending(source: str) -> str:
    return FOLDER if Path(source).is_dir() else Path(source).suffix.lower()


def _read_data(job: Job, line: CommandLine) -> DataModule:
    """Return the data, ready, since the task depends on the target."""
    flags = [flag for flag in line.flags if flag.name != PRINT]
    values = {name: value for name, value in line.values.items() if name != PRINT}
    _, config = parse(job, resolve(replace(line, flags=flags, values=values)))
    parser = Parser()
    parser.add_lightning_class_args(DataModule, "data", subclass_mode=True)
    builders = [(build_object, kind, True) for kind in BUILT]
    seed_process(config)
    try:
        settings = Namespace({"data": config.data})  # type: ignore[no-untyped-call]
        data: DataModule = parser.instantiate(settings, instantiators=builders).data
        data.ensure_setup()
    except (ValueError, TypeError) as error:
        parser.error(str(error), error)
    return data


def _flag(name: str, value: str) -> Flag:
    return Flag(name, value, [f"{name}={value}"])


@rank_zero_only
def _say(line: str) -> None:
    say(line)
