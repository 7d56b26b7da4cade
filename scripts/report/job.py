"""The job `report`: reads runs and writes the page."""

from pathlib import Path

from callbacks.files import display_path, write_text
from callbacks.printing import say
from datamodules.atomic_write import WriteError
from scripts.cli.errors import UsageError
from scripts.cli.jobs import Job
from scripts.cli.ledger import RUNS, read_ledger
from scripts.cli.result_files import check_replaceable
from scripts.report.finding import default_output, find_runs
from scripts.report.formats import size
from scripts.report.page import page
from scripts.report.run import read_run
from scripts.report.study import is_study, read_study
from scripts.report.values import shortened

OUTPUT = "--output"


def run(job: Job, words: list[str]) -> None:
    """Write a report on the runs that are named, and print where it is.

    Raises:
        UsageError: A word is no run, or the file cannot be written; the message is one line.
    """
    try:
        _report(job, words)
    except OSError as error:  # a name that is too long, say
        raise UsageError(f"{error.strerror}: {shortened(str(error.filename))}") from error


def _report(job: Job, words: list[str]) -> None:
    names, output = parse(job, words)
    folders, left_out = find_runs(names)
    studies = [Path(name) for name in dict.fromkeys(names) if is_study(Path(name))]
    path = Path(output) if output is not None else default_output(folders, studies)
    check_replaceable(path, "report.html")
    if path.exists() and path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{OUTPUT} {path} is there and is not an HTML file; name another")
    readings = read_ledger(RUNS)
    html, found = page([read_run(folder, readings) for folder in folders], [read_study(study) for study in studies])
    try:
        write_text(path, html)
    except WriteError as error:
        raise UsageError(f"{error}; choose another place: {OUTPUT} FILE") from error
    warnings = sum(notice.kind == "warning" for notice in found)
    runs = "1 run" if len(folders) == 1 else f"{len(folders)} runs"
    said = "no warnings" if not warnings else "1 warning" if warnings == 1 else f"{warnings} warnings"
    line = f"report      {display_path(path)} ({size(len(html.encode()))}, {runs}, {said})"
    say(*(f"left out    {one}" for one in left_out), line)


def parse(job: Job, words: list[str]) -> tuple[list[str], str | None]:
    """Return the names of runs, and the file of `--output`.

    Raises:
        UsageError: There is no run, or an option lacks its value.
    """
    names: list[str] = []
    output: str | None = None
    given = iter(words)
    for word in given:
        flag, has_value, value = word.partition("=")
        if flag == OUTPUT:
            output = value if has_value else next(given, "")
            if not output or (not has_value and output.startswith("--")):
                raise UsageError(f"{OUTPUT} needs a value: {OUTPUT} FILE")
        elif word == "--":
            names += given
        elif word.startswith("-") and not Path(word).exists():
            raise UsageError(f"unknown argument {word}; usage: {job.usage}")
        else:
            names.append(word)
    if not names:
        raise UsageError(f"which run? {job.usage}")
    return names, output
