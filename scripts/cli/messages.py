"""jsonargparse's errors, of up to thirty lines, as one line: a table of patterns and wordings.

The patterns are those of the version that `pyproject.toml` bounds; a test makes every row's message for real.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from scripts.cli import wordings
from scripts.cli.choices import package_names
from scripts.cli.flags import did_you_mean
from scripts.cli.wordings import FACTORY_VALUE, UNION, WANTED_CLASS, Problem

NESTED_KEY = re.compile(r'^Parser key "([^"]+)":?')
NESTED_CLASS = re.compile(r"^Problem with given class_path '([^']+)'")
FACTORY_KEY = re.compile(r"expects a function or a callable class: (?=Parser key)")

Wording = Callable[[re.Match[str], Problem], str | None]


@dataclass(frozen=True)
class Row:
    """A kind of error.

    Attributes:
        name: What it is about.
        pattern: Found in jsonargparse's message.
        wording: Our line, given the match; None leaves the message to the rows below.
    """

    name: str
    pattern: str
    wording: Wording


# Found in the whole message.
WHOLE_ROWS = (
    Row("unknown flag", r"\Aunrecognized arguments: (\S+)", wordings.unknown_word),
    Row(
        "no model or data",
        r"\Athe following arguments are required: (data|model)\b",
        lambda match, _: f"no {match[1]} is named; give a recipe, which names model and data, as the first -c",
    ),
    Row("unknown key", r"\A(?:Group '(\w+)' does not accept option|Option) '([^']+)'", wordings.unknown_key),
)
# Found in a line of it, outermost first.
LINE_ROWS = (
    Row("Python file", r"Invalid content in sub-config file ([^:]+\.py):", wordings.python_file),
    Row("sub-config", r"Unable to load config '([^']+)'", wordings.sub_config),
    Row("unknown nested flag", r"unrecognized arguments: --([\w.]+)", wordings.unknown_nested_flag),
    Row("unknown argument", r"Option '([^']+)' is not accepted", wordings.unknown_argument),
    Row(
        "no class in module",
        r"module '([\w.]+)' has no attribute '(\w+)'",
        wordings.no_class_in_module,
    ),
    Row(
        "ambiguous",
        r"Multiple subclasses with name (\w+)\. Give the full class path to avoid ambiguity: (.+)\.$",
        lambda match, _: f"several classes are called {match[1]}; give its full path: {match[2].replace(', ', ' or ')}",
    ),
    Row("no class", r"Expected a dot import path string:\s*(.*)$", wordings.no_class),
    Row("abstract", r"Expected an instantiatable class, but (?:([\w.]+) )?is abstract", wordings.abstract),
    Row(
        "not a path",
        rf"Unexpected import path format: (.+?){FACTORY_VALUE}",
        lambda match, problem: f"{match[1]!r} is not {'a number' if problem.takes_number else 'a class'}",
    ),
    Row(
        "no module",
        r"No module named '([\w.]+)'",
        lambda match, _: f"there is no module {match[1]!r}" + did_you_mean(match[1], package_names()),
    ),
    Row(
        "no name in module",
        r"cannot import name '(\w+)' from (?:partially initialized module )?'([\w.]+)'",
        wordings.no_name_in_module,
    ),
    Row(
        "wrong class",
        r"Import path ([\w.]+) does not correspond to a subclass of (\w+)",
        wordings.wrong_class,
    ),
    Row("not a class", WANTED_CLASS.pattern, wordings.not_a_class),
    Row(
        "wrong factory",
        r"Expected '([\w.]+)' to be a (?:subclass of|function that returns) (.+?)\.",
        wordings.wrong_factory,
    ),
    Row(
        "module as factory",
        r"Unexpected import object <module '([\w.]+)'",
        lambda match, _: f"{match[1]} is a module; give the path of a class in it",
    ),
    Row("wrong item", r"Not a valid subclass of (\w+)\. Got value: (.+)$", wordings.wrong_item),
    Row(
        "missing arguments",
        rf"the following arguments are required: (.+?){FACTORY_VALUE}",
        wordings.missing_arguments,
    ),
    Row("wrong value", rf"Expected a (.+?)\. Got value: (.*?){FACTORY_VALUE}", wordings.wrong_value),
)
# Found in the whole message, if no line says more.
LAST_ROWS = (
    Row(
        "reason",
        r"^\s*- (?!Does not validate|Import path|Expected a <class|Expected a path|Expected a typing\.Literal|"
        r"Type [\w.]+\.Callable|Problem with given class_path)(.+)$",
        lambda match, _: match[1],
    ),
    Row("wrong union", UNION.pattern, wordings.wrong_union),
)
ROWS = (*WHOLE_ROWS, *LINE_ROWS, *LAST_ROWS)


def explain_parser_error(message: str, flags: Iterable[str]) -> tuple[Row | None, str]:
    """Return an error of jsonargparse as one line, with a suggestion where there is one.

    Args:
        message: The parser's message.
        flags: The flags there are ("--trainer.max_epochs").

    Returns:
        The row that the message belongs to and our line; None and the message itself if it belongs to none.
    """
    problem = Problem(message, list(flags))
    found = _first(WHOLE_ROWS, message, problem)
    if found is not None:
        return found
    keys: dict[int, str] = {}  # by indentation: alternatives of a union stand below each other
    for indent, line in _lines(message):
        if match := NESTED_KEY.match(line):
            keys = {depth: key for depth, key in keys.items() if depth < indent} | {indent: match[1]}
            problem.place = ".".join(keys.values())
            line = line[match.end() :].strip()
        if match := NESTED_CLASS.match(line):
            problem.class_path = match[1]
        if match := UNION.search(line):
            problem.takes_number = "<class 'float'>" in match[1]
        if found := _first(LINE_ROWS, line, problem):
            return found
    return _first(LAST_ROWS, message, problem) or (None, " ".join(message.split()))


def _lines(message: str) -> Iterator[tuple[int, str]]:
    """Yield the indentation and the text of each line; a key after a factory's complaint is a line of its own."""
    for line in message.splitlines():
        for number, part in enumerate(FACTORY_KEY.split(line)):
            yield len(line) - len(line.lstrip()) + number, part.strip().removeprefix("- ")


def _first(rows: Iterable[Row], text: str, problem: Problem) -> tuple[Row, str] | None:
    for row in rows:
        match = re.search(row.pattern, text, re.MULTILINE)
        line = row.wording(match, problem) if match else None
        if line is not None:
            return row, f"{problem.place}: {line}" if problem.place else line
    return None
