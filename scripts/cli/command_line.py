"""A command line, taken apart once, with the recipes that it names; mistakes that show before they are merged."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from datamodules.regular_files import HostileFileError, read_text
from models.bounded_yaml import LARGEST_TEXT, load_yaml
from scripts.cli.errors import UsageError
from scripts.cli.flags import CLASS_KEYS, CONFIG, RECIPE_ENDINGS, check_text, missing_file

LONGEST_SHOWN = 200
HELP = ("-h", "--help")
WITHOUT_VALUE = (*HELP, "--print_config", "--compile")  # a value of --print_config follows "="
# A recipe's value never wins over one of these flags.
NAMED_BY_FLAG = ("name", "runs_dir", "ckpt_path", "inputs", "output", "format")


class Flag(NamedTuple):
    """A flag as typed.

    Attributes:
        name: "--data.batch_size"; "" for a word that belongs to no flag.
        value: None if no value follows.
        words: The words of the command line that it consists of.
    """

    name: str
    value: str | None
    words: list[str]


@dataclass(frozen=True)
class Recipe:
    """The content of a recipe or overlay.

    Attributes:
        text: The file's text.
        content: The same, as YAML reads it.
        classes: Those of "model" and "data" whose class it names; a recipe names both, an overlay neither.
    """

    text: str
    content: dict[str, Any]
    classes: frozenset[str]

    @classmethod
    def read(cls, path: str) -> "Recipe":
        """Read a file.

        Raises:
            UsageError: There is no such file, or it is not a recipe.
        """
        try:
            text = read_text(Path(path), largest=4 * LARGEST_TEXT)
            content = load_yaml(text)
        except HostileFileError as error:
            if not Path(path).is_dir():
                raise UsageError(f"{path} is not a recipe: it is {error.strerror}") from error
            inside = sorted(str(entry) for ending in RECIPE_ENDINGS for entry in Path(path).glob(f"*{ending}"))
            there = f"; name a file in it, such as {inside[0]}" if inside else ", not a recipe"
            raise UsageError(f"{path} is a folder{there}") from error
        except OSError as error:
            raise UsageError(missing_file(Path(path))) from error
        except UnicodeDecodeError as error:
            instead = f"; did you mean --ckpt_path {path}?" if path.endswith(".ckpt") else ""
            raise UsageError(f"{path} is not a recipe: it is not a text file{instead}") from error
        except yaml.YAMLError as error:
            raise UsageError(f"{path} is not YAML: {_yaml_fault(error)}") from error
        if not isinstance(content, dict):
            raise UsageError(
                f"{path} is not a recipe: it holds {shortened(repr(content))}, not keys such as model and data"
            )
        named = [part for part in ("model", "data") if part in content]
        classes = [
            part
            for part in named
            if isinstance(content[part], str) or (isinstance(content[part], dict) and "class_path" in content[part])
        ]
        return cls(text, content, frozenset(classes))


@dataclass(frozen=True)
class CommandLine:
    """The words after `holdout JOB`.

    Attributes:
        job: The job's name.
        flags: In the order typed.
        values: The last value of each flag; None also where the value is null.
        asks_help: Whether a flag asks for help, so that neither recipe nor checkpoint is needed.
        recipes: The files given with `-c`, by path, in order; each is read once. Empty if the line asks for help.
    """

    job: str
    flags: list[Flag]
    values: dict[str, str | None]
    asks_help: bool
    recipes: dict[str, Recipe]

    @classmethod
    def parse(cls, job: str, words: list[str]) -> "CommandLine":
        """Take the words apart and read the recipes.

        Raises:
            UsageError: A file given with `-c` is not a recipe, or a word is not text.
        """
        for word in words:
            check_text(word)
        flags: list[Flag] = []
        waits = False  # the last flag still has no value
        for word in words:
            if word.startswith("-c") and word[2:3] not in ("", "="):
                flags.append(Flag("-c", word[2:], [word]))
                waits = False
            elif word.startswith("-") and not _is_number(word):
                name, given, value = word.partition("=")
                flags.append(Flag(name, value if given else None, [word]))
                waits = not given and name not in WITHOUT_VALUE
            elif waits:
                flags[-1] = Flag(flags[-1].name, word, [*flags[-1].words, word])
                waits = False
            else:
                flags.append(Flag("", word, [word]))
        asks_help = any(flag.name in HELP or flag.name.endswith(".help") for flag in flags)
        paths = [flag.value for flag in flags if flag.name in CONFIG and flag.value and not asks_help]
        values = {flag.name: None if flag.value == "null" else flag.value for flag in flags}
        return cls(job, flags, values, asks_help, {path: Recipe.read(path) for path in dict.fromkeys(paths)})


def shortened(text: str) -> str:
    """Return the beginning of a text."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _yaml_fault(error: yaml.YAMLError) -> str:
    """Return what YAML does not understand, and where."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return str(error) if mark is None or problem is None else f"line {mark.line + 1}: {problem}"


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def check_command_line(line: CommandLine) -> None:
    """Check the order and the words of a command line.

    Raises:
        UsageError: A word stands alone, a flag has no value or an empty one that names a file or run, a recipe undoes
            a flag before it, or an overlay comes before its recipe.
    """
    if line.asks_help:
        return
    for number, flag in enumerate(line.flags):
        if not flag.name:
            _check_lone_word(str(flag.value), line.flags[number - 1] if number else None)
        if (flag.value is None and flag.name not in WITHOUT_VALUE) or (flag.name in CONFIG and not flag.value):
            raise UsageError(f"{flag.name} needs a value: {flag.name} {'FILE' if flag.name in CONFIG else 'VALUE'}")
        if flag.value == "" and flag.name.removeprefix("--") in NAMED_BY_FLAG:
            raise UsageError(f"{flag.name} is empty; give a value, or leave it out")
    for path, recipe in line.recipes.items():
        if recipe.content.get("ckpt_path") and "--ckpt_path" not in line.values:
            raise UsageError(
                f"{path}: ckpt_path is not part of a recipe; give it on the command line: "
                f"--ckpt_path {recipe.content['ckpt_path']}"
            )
    if line.recipes:
        _check_recipe_comes_first(line)
        _check_no_flag_is_lost(line)


def _check_lone_word(word: str, before: Flag | None) -> None:
    """Check a word that belongs to no flag, if it is clear what was meant; the parser refuses the others."""
    value = before.value if before and before.name else None
    if before and value and value[0] in "[{" and value.count(value[0]) > value.count("]" if value[0] == "[" else "}"):
        raise UsageError(f"{word} stands alone; put the whole value of {before.name} in quotes")
    if word.endswith(RECIPE_ENDINGS):
        raise UsageError(f"{word} stands alone; did you mean -c {word}?")
    if word.endswith(".ckpt"):
        raise UsageError(f"{word} stands alone; did you mean --ckpt_path {word}?")
    if Path(word).is_dir():
        raise UsageError(f"{word} stands alone; did you mean --ckpt_path {word}, or --data.data_dir {word}?")
    if "=" in word:
        raise UsageError(f"{word} stands alone; a flag begins with two dashes, as --data.batch_size=64 does")


def _check_recipe_comes_first(line: CommandLine) -> None:
    """Check that the first recipe names the classes that it sets arguments of, unless a flag or a checkpoint does."""
    path, first = next(iter(line.recipes.items()))
    for part in ("model", "data"):
        overlay = isinstance(first.content.get(part), dict) and part not in first.classes
        if overlay and "--ckpt_path" not in line.values and f"--{part}" not in line.values:
            recipe = next((path for path, recipe in line.recipes.items() if part in recipe.classes), "RECIPE")
            raise UsageError(
                f"{path} is an overlay: it names no {part} class. Put the recipe first: -c {recipe} -c {path}"
            )


def _check_no_flag_is_lost(line: CommandLine) -> None:
    """Check that no recipe sets again what a flag or overlay before it sets."""
    first = next(iter(line.recipes))
    before: dict[str, str] = {}  # what is set so far: place -> flag or file
    for flag in line.flags:
        if flag.name not in CONFIG:
            keys = flag.name.lstrip("-").rstrip("+").split(".")
            before[".".join(key for key in keys if key != "init_args")] = flag.name
            continue
        path = str(flag.value)
        recipe = line.recipes[path]
        set_here = places(recipe.content)
        if path == first or "model" in recipe.classes:
            lost = [place for place in before if any(f"{place}.".startswith(f"{here}.") for here in set_here)]
            if lost:
                raise UsageError(
                    f"{before[lost[0]]} comes before -c {path}, which sets it again; put it after the recipe"
                )
        if "model" not in recipe.classes:
            before |= dict.fromkeys(set_here, f"-c {path}")


def places(content: dict[str, Any]) -> list[str]:
    """Return the places of all values that a recipe sets: ["model.optimizer.lr", "trainer.max_epochs"]."""
    found = []
    waiting: list[tuple[str, Any]] = [(str(key), item) for key, item in content.items() if key not in NAMED_BY_FLAG]
    while waiting:
        place, value = waiting.pop()
        if not isinstance(value, dict):
            found.append(place)
            continue
        for key, item in value.items():
            inside = place if key in CLASS_KEYS else f"{place}.{str(key).rstrip('+')}"
            waiting.append((inside, item))
    return found
