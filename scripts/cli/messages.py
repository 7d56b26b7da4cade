"""jsonargparse's errors, of up to thirty lines, as one line."""

import re
from collections.abc import Iterable, Iterator

from scripts.cli.message_rows import LAST_ROWS, LINE_ROWS, UNION, WHOLE_ROWS, Problem, Row

NESTED_KEY = re.compile(r'^Parser key "([^"]+)":?')
NESTED_CLASS = re.compile(r"^Problem with given class_path '([^']+)'")
FACTORY_KEY = re.compile(r"expects a function or a callable class: (?=Parser key)")


def explain_parser_error(message: str, flags: Iterable[str]) -> str:
    """Return an error of jsonargparse as one line, with a suggestion where there is one.

    Args:
        message: The parser's message.
        flags: The flags there are ("--trainer.max_epochs").
    """
    return explanation(message, flags)[1]


def explanation(message: str, flags: Iterable[str]) -> tuple[Row | None, str]:
    """Return the row that a message belongs to and our line; None and the message itself if it belongs to none."""
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
        match = row.pattern.search(text)
        line = row.wording(match, problem) if match else None
        if line is not None:
            return row, f"{problem.place}: {line}" if problem.place else line
    return None
