"""A study as its folder tells it: the tables and figures of its summary, and its runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.report.folder import RunFolder
from scripts.report.pictures import Picture, read_pictures
from scripts.report.tables import Table
from scripts.report.values import mapping, shortened, text

STUDY_FILE, TABLES = "study.yaml", "tables.json"
MOST_PARTS = 40
MOST_ROWS = 500
MOST_RUNS = 2000


@dataclass(frozen=True)
class Study:
    """What a study's folder holds besides its runs.

    Attributes:
        title: Its name.
        parts: Headings, with the paragraphs and tables below each.
        pictures: Its figures.
        problems: A line for each file that is missing, or not as it should be.
    """

    title: str
    parts: list[tuple[str, list[str | Table]]]
    pictures: list[Picture]
    problems: list[str]


def is_study(folder: Path) -> bool:
    """Return whether a folder is a study's."""
    runs = folder / "runs"
    return (folder / STUDY_FILE).is_file() and runs.is_dir() and not runs.is_symlink()


def runs_of(folder: Path) -> list[Path]:
    """Return the folders of a study's runs that have begun."""
    runs = sorted(folder.glob("runs/*/version_0"))[:MOST_RUNS]
    own = (run for run in runs if not run.is_symlink() and not run.parent.is_symlink())
    return [run for run in own if (run / "config.yaml").is_file()]


def read_study(path: Path) -> Study:
    """Read a study's folder."""
    folder = RunFolder(path)
    summary = folder.json(TABLES)
    listed = summary.get("parts")
    parts = [mapping(part) for part in listed[:MOST_PARTS]] if isinstance(listed, list) else []
    if not summary and not folder.problems:
        folder.problems.append(f"there is no {TABLES}: the study has not ended; go on with it by --resume")
    found = [(text(part.get("heading")), _content(part.get("content"))) for part in parts]
    return Study(path.absolute().name, found, read_pictures(folder), folder.problems)


def _content(items: Any) -> list[str | Table]:
    found: list[str | Table] = []
    for item in items[:MOST_PARTS] if isinstance(items, list) else []:
        if isinstance(item, dict):
            rows = item.get("rows")
            rows = [_texts(row) for row in rows[:MOST_ROWS]] if isinstance(rows, list) else []
            heads = _texts(item.get("heads"))
            found.append(Table(heads, [row for row in rows if len(row) == len(heads)], text(item.get("note"))))
        else:
            found.append(text(item))
    return found


def _texts(values: Any) -> list[str]:
    return [shortened(str(value)) for value in values[:100]] if isinstance(values, list) else []
