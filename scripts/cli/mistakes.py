"""Mistakes that show in the words of a command line, before the parser merges them."""

from typing import Any

from scripts.cli.command_line import CONFIG, RECIPE_ENDINGS, WITHOUT_VALUE, CommandLine, Flag
from scripts.cli.errors import UsageError

NAMED_BY_FLAG = ("name", "runs_dir", "ckpt_path", "output")  # a recipe's value never wins over a flag


def check_command_line(line: CommandLine) -> None:
    """Check the order and the words of a command line.

    Raises:
        UsageError: A word stands alone, a flag has no value, a recipe undoes a flag before it, or an overlay comes
            before its recipe.
    """
    if line.asks_help:
        return
    for number, flag in enumerate(line.flags):
        if not flag.name:
            _check_lone_word(str(flag.value), line.flags[number - 1] if number else None)
        if (flag.value is None and flag.name not in WITHOUT_VALUE) or (flag.name in CONFIG and not flag.value):
            raise UsageError(f"{flag.name} needs a value: {flag.name} {'FILE' if flag.name in CONFIG else 'VALUE'}")
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
        set_here = _places(recipe.content)
        if path == first or "model" in recipe.classes:
            lost = [place for place in before if any(f"{place}.".startswith(f"{here}.") for here in set_here)]
            if lost:
                raise UsageError(
                    f"{before[lost[0]]} comes before -c {path}, which sets it again; put it after the recipe"
                )
        if "model" not in recipe.classes:
            before |= dict.fromkeys(set_here, f"-c {path}")


def _places(content: dict[str, Any]) -> list[str]:
    """Return the places of all values that a recipe sets: ["model.optimizer.lr", "trainer.max_epochs"]."""
    found = []
    waiting: list[tuple[str, Any]] = [(str(key), item) for key, item in content.items() if key not in NAMED_BY_FLAG]
    while waiting:
        place, value = waiting.pop()
        if not isinstance(value, dict):
            found.append(place)
            continue
        for key, item in value.items():
            inside = place if key in ("init_args", "class_path") else f"{place}.{str(key).rstrip('+')}"
            waiting.append((inside, item))
    return found
