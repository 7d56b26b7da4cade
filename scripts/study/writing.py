"""The files of a study: results, summary and figures."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from callbacks.figures import as_png
from callbacks.files import write_text
from datamodules.atomic_write import atomic_write
from scripts.report.folder import RunFolder
from scripts.report.scalars import Points, read_scalars
from scripts.report.study import STUDY_FILE, TABLES
from scripts.report.tables import Table
from scripts.study import figures
from scripts.study.analysis import Analysis, direction
from scripts.study.design import level_words
from scripts.study.options import Options
from scripts.study.results import Result, write_results
from scripts.study.searching import Choice
from scripts.study.sources import TOGETHER
from scripts.study.summary import markdown, sections

SIZES = ("train_fraction", "train_size")  # settings that decide how much there is to learn from


def write_study_results(
    folder: Path,
    results: Sequence[Result],
    options: Options,
    analysis: Analysis,
    found: Mapping[Choice, Mapping[str, str]],
    models: int,
) -> None:
    """Write `results.csv`, `summary.md`, `tables.json` and figures into a study's folder.

    Args:
        folder: The folder.
        results: All runs.
        options: The study.
        analysis: What the runs say, by metric.
        found: What a search chose, by arm and level.
        models: Number of models that the test part has been read for.
    """
    looks = _looks(folder, options.seeds)
    write_results(folder / "results.csv", results, options.threads)
    drawn = draw(folder.name, results, options, analysis)
    for name, figure in drawn.items():
        with atomic_write(folder / "figures" / f"{name}.png") as file:
            file.write(as_png(figure))
    command = shlex.join(["holdout", "study", "--study", str(folder / STUDY_FILE), "--name", f"{folder.name}_again"])
    parts = sections(results, options, analysis, found, models, looks)
    pictures = {Path("figures") / f"{name}.png": str(figure.get_label()) for name, figure in drawn.items()}
    plain = [{"heading": heading, "content": [_plain(item) for item in content]} for heading, content in parts]
    write_text(folder / TABLES, json.dumps({"command": command, "looks": looks, "parts": plain}, indent=1) + "\n")
    write_text(folder / "summary.md", markdown(folder.name, command, parts, pictures))


def _looks(folder: Path, seeds: int) -> list[int]:
    """Return the numbers of seeds at which a study's results have been seen, this time included."""
    before = RunFolder(folder).json(TABLES).get("looks")
    fewer = [look for look in before if isinstance(look, int) and look < seeds] if isinstance(before, list) else []
    return [*fewer, seeds]


def _plain(item: str | Table) -> str | dict[str, Any]:
    return item if isinstance(item, str) else asdict(item)


def draw(title: str, results: Sequence[Result], options: Options, analysis: Analysis) -> dict[str, Figure]:
    """Return the figures of a study by name."""
    drawn: dict[str, Figure | None] = {}
    for metric, cells in analysis.items():
        name = metric.replace("/", "_")
        if not any(cell.values for cell in cells):
            continue
        drawn[f"points_{name}"] = figures.draw_points(cells, metric, title)
        drawn[f"factor_{name}"] = figures.draw_factor(cells, metric, title)
        if metric.startswith("test/") and len(options.vary) == 1 and next(iter(options.vary)).endswith(SIZES):
            drawn[f"learning_curve_{name}"] = _learning_curve(title, results, metric)
    validated = dict.fromkeys(f"val/{metric.partition('/')[2]}" for metric in analysis if metric.startswith("test/"))
    curves = _curves(results, list(validated))
    for metric in validated:
        drawn[f"curves_{metric.replace('/', '_')}"] = figures.draw_curves(curves[metric], metric, title)
    return {name: figure for name, figure in drawn.items() if figure is not None}


def _learning_curve(title: str, results: Sequence[Result], metric: str) -> Figure | None:
    name, error = figures.as_error(metric, direction(metric, results))
    found: dict[str, dict[float, list[float]]] = {}
    for result in results:
        size, value = result.facts.get("train"), result.metrics.get(metric)
        if result.run.varied == TOGETHER and size and value is not None and error(value) > 0:
            found.setdefault(result.run.arm.name, {}).setdefault(float(size), []).append(error(value))
    return figures.draw_learning_curve(found, name, title)


def _curves(results: Sequence[Result], metrics: Sequence[str]) -> Mapping[str, figures.Curves]:
    """Return the curves of each metric; the event files of a run, which are large, are read once."""
    found: dict[str, dict[tuple[str, ...], list[Points]]] = {metric: {} for metric in metrics}
    for result in results:
        if result.run.varied == TOGETHER and not result.fault:
            scalars = read_scalars(RunFolder(result.folder))
            key = (result.run.arm.name, *level_words(result.run.level))
            for metric in metrics:
                if points := scalars.curves.get(metric):
                    found[metric].setdefault(key, []).append(points)
    return found
