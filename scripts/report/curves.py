"""Which curves the report draws, of one run or of several overlaid."""

import re
from collections.abc import Iterable, Mapping, Sequence

from callbacks.learning_rate import NAME
from scripts.report.formats import mean
from scripts.report.groups import Group
from scripts.report.plots import SERIES, Entry, Line, Plot
from scripts.report.run import Run
from scripts.report.scalars import Points

PARTS = ("train", "val", "test")
LINE_COLORS = tuple(name for name in SERIES if name.startswith("line-"))
LEARNING_RATES = re.compile(rf"{NAME}$|{NAME}[-/]")  # with a dash in runs of earlier versions
LEARNING_RATE = "learning rate"
MOST_PLOTS = 16
MOST_IN_ONE = 6  # fractions of the same prefix that share a plot


def metric_name(tag: str) -> str:
    """Return what a metric is called in whichever part it is measured: "loss" for "train/loss" and "val/loss"."""
    part, _, name = tag.partition("/")
    return name if part in PARTS and name else tag


def plots_of_run(run: Run) -> list[Plot]:
    """Return the plots of one run: training and validation, with the best epoch marked."""
    curves = _curves(run)
    moment = run.best_moment
    marks = [moment] if moment is not None and run.scalars.unit == "epoch" else []
    found = []
    for name, tags in _by_plot(curves, metric_name(run.monitor)).items():
        if len(tags) > 1 and metric_name(tags[0]) == tags[0]:  # no parts
            entries = [Entry(tag.partition("/")[2], color) for tag, color in zip(tags, LINE_COLORS, strict=False)]
            lines = [Line(curves[tag], entry.color) for tag, entry in zip(tags, entries, strict=False)]
        else:
            entries = []
            lines = [Line(curves[tag], tag.split("/")[0] if metric_name(tag) != tag else "val") for tag in tags]
        found.append(Plot(name, lines, run.scalars.unit, marks, entries))
    if len(rates := _learning_rates(run)):
        found.append(Plot(LEARNING_RATE, [Line(points, "val") for points in rates], run.scalars.unit, marks))
    return found[:MOST_PLOTS]


def overlaid(groups: Sequence[Group]) -> list[Plot]:
    """Return the plots of several runs: a colour for each group, whose mean is a strong line."""
    runs = [run for group in groups for run in group.runs]
    unit = " or ".join(sorted({run.scalars.unit for run in runs if run.scalars.curves}))
    curves = {id(run): _curves(run) for run in runs}
    all_tags = dict.fromkeys(tag for run in runs for tag in curves[id(run)])
    tags = [tag for some in _by_plot(all_tags, metric_name(runs[0].monitor)).values() for tag in some]
    tags.sort(key=lambda tag: (not tag.startswith("val/"), not tag.startswith("train/")))
    found = []
    for tag in tags:
        each = [[curves[id(run)][tag] for run in group.runs if tag in curves[id(run)]] for group in groups]
        found.append(Plot(tag, _of_groups(each), unit))
    rates = [[rates[0] for run in group.runs if (rates := _learning_rates(run))] for group in groups]
    if any(rates):
        found.append(Plot(LEARNING_RATE, _of_groups(rates), unit))
    return found[:MOST_PLOTS]


def _curves(run: Run) -> dict[str, Points]:
    """Return the curves to draw by tag: not the learning rates, and not those of single classes."""
    return {
        tag: points
        for tag, points in run.scalars.curves.items()
        if points and LEARNING_RATES.match(tag) is None and not (metric_name(tag) != tag and "/" in metric_name(tag))
    }


def _learning_rates(run: Run) -> list[Points]:
    """Return the curves of learning rates, equal ones once."""
    rates = [points for tag, points in run.scalars.curves.items() if LEARNING_RATES.match(tag) and points]
    return [points for number, points in enumerate(rates) if points not in rates[:number]]


def _by_plot(curves: Mapping[str, Points | None], monitored: str) -> dict[str, list[str]]:
    """Return the tags of each plot by its name: a metric of training and validation, or fractions of one prefix.

    The loss and the monitored metric come first, then what both parts have, validation's, training's, and the rest.
    """
    found: dict[str, list[str]] = {}
    for tag in curves:
        found.setdefault(metric_name(tag), []).append(tag)
    prefixes = dict.fromkeys(tag.partition("/")[0] for tag in found if "/" in tag)
    for prefix in prefixes:
        tags = [tag for tag in found if tag.startswith(f"{prefix}/") and found[tag] == [tag]]
        if 1 < len(tags) <= MOST_IN_ONE and all(_is_fraction(curves[tag]) for tag in tags):
            for tag in tags:
                del found[tag]
            found[prefix] = tags

    def place(name: str) -> tuple[bool, bool, int, bool]:
        parts = {tag.split("/")[0] for tag in found[name]}
        return name != "loss", name != monitored, -len(parts & set(PARTS)), "val" not in parts

    return {name: sorted(found[name]) for name in sorted(found, key=place)}


def _is_fraction(points: Points | None) -> bool:
    return all(0 <= value <= 1 for _, value in points or ())


def _of_groups(curves: Sequence[list[Points]]) -> list[Line]:
    """Return the lines of each group's curves, in its colour."""
    found: list[Line] = []
    for number, of_group in enumerate(curves):
        color = LINE_COLORS[number % len(LINE_COLORS)]
        faint = len(of_group) > 1
        found += [Line(points, color, faint=faint) for points in of_group]
        found += [Line(_mean(of_group), color)] if faint else []
    return [line for line in found if line.points]


def _mean(curves: Iterable[Points]) -> Points:
    """Return the mean of curves at the moments that all of them have."""
    each = [{round(moment, 6): value for moment, value in points} for points in curves]
    shared = [moment for moment in each[0] if all(moment in some for some in each)]
    return [(moment, mean([some[moment] for some in each])) for moment in sorted(shared)]
