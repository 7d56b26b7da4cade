"""Help as text: two columns, no wider than 100 characters."""

import re
import textwrap
from collections.abc import Iterable, Sequence

from scripts.cli.jobs import HELP, Job, Option

WIDTH = 100
MAX_TERM = 30  # a longer term has its description on the next line
DESCRIPTION = "Trains, validates and tests networks so that any two runs can be compared."

Row = tuple[str, str]  # a term and its description


def columns(rows: Sequence[Row], indent: int = 2, width: int = WIDTH) -> str:
    """Return terms and what they mean, in two columns."""
    longest = max((len(term) for term, _ in rows if len(term) <= MAX_TERM), default=0)
    margin = " " * (indent + longest + 2)
    lines: list[str] = []
    for term, description in rows:
        wrapped = textwrap.wrap(description, width - len(margin), break_long_words=False, break_on_hyphens=False)
        if wrapped and len(term) <= longest:
            lines.append(f"{' ' * indent}{term:<{longest}}  {wrapped.pop(0)}")
        else:
            lines += textwrap.wrap(
                term, width, initial_indent=" " * indent, subsequent_indent=" " * (indent + 4), break_on_hyphens=False
            )
        lines += [margin + line for line in wrapped]
    return "\n".join(lines)


def first_sentence(text: str) -> str:
    """Return a text up to its first full stop."""
    plain = " ".join(text.split())
    found = re.match(r".*?[.?!](?=\s+[A-Z`]|$)", plain)
    return found[0] if found else plain


def paragraph(text: str, indent: str = "") -> str:
    """Return text wrapped to the width."""
    return textwrap.fill(
        " ".join(text.split()), WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def overview(jobs: Iterable[Job]) -> str:
    """Return the help of the whole command."""
    rows = [(job.name, job.help) for job in jobs]
    options = [option_row(HELP), ("--version", "show the versions of holdout and of what it stands on, and exit")]
    return "\n\n".join(
        (
            "usage: holdout JOB [--key value ...]",
            f"{DESCRIPTION}\nBegin with: holdout fit -c configs/digits.yaml",
            f"jobs:\n{columns(rows)}",
            f"options:\n{columns(options)}",
            "What a job takes: holdout JOB --help",
        )
    )


def job_help(job: Job, choices: Sequence[Row]) -> str:
    """Return the help of a job.

    Args:
        job: The job.
        choices: For each help command of a choice, what it shows.
    """
    plain = [option for option in (HELP, *job.checkpoint, *job.options) if not option.class_path]
    plain.sort(key=lambda option: (option.short != "-c", option is HELP))  # what is always given first, --help last
    classes = [option for option in job.options if option.class_path]
    parts = [
        f"usage: {job.usage}",
        paragraph(job.help),
        f"options:\n{columns([option_row(option) for option in plain])}",
    ]
    if classes:
        parts += [
            "settings; a recipe names them, and every key of a recipe is a flag too (--trainer.max_epochs 3):\n"
            + columns([option_row(option) for option in classes]),
            "what can be chosen, and with the name of a class, the flags that set its arguments:\n" + columns(choices),
        ]
    return "\n\n".join(parts)


def option_row(option: Option) -> Row:
    """Return an option's row of a help."""
    short = f"{option.short}, " if option.short else ""
    return f"{short}{option.flag} {option.value}".rstrip(), option.help
