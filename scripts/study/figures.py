"""The figures of a study: every run as a point, results over a factor, curves with bands, and the learning curve."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from callbacks.figures import WIDTH, epoch_axis, label, new_figure, plain_axes, style
from scripts.study.analysis import Cell
from scripts.study.design import level_words, short
from scripts.study.power_law import extrapolate
from scripts.study.statistics import spread

COLORS = (
    "#1f6fb4", "#d1495b", "#1d7a3c", "#8e5aa8", "#c77700", "#13868c", "#7a4b2a", "#d46a9f", "#6b6b6b", "#9a9a00",
)  # fmt: skip
PANEL = 3.4  # inches
ARM_WIDTH = 0.45  # inches
MOST_PANELS = 6
LONGEST_TITLE = 34  # letters
LONG_NAME = 14  # letters, of which a legend has two columns
BEYOND = 4.0  # times the most training samples, to which a learning curve is extrapolated
Curves = Mapping[tuple[str, ...], Sequence[Sequence[tuple[float, float]]]]  # of runs, by arm and level


def draw_points(cells: Sequence[Cell], metric: str, title: str) -> Figure:
    """Draw every run as a point, with mean and interval of each arm, a panel for each level."""
    names, levels = _names(cells), _panels(cells)
    panels = levels[:MOST_PANELS]
    width = max(PANEL, ARM_WIDTH * len(names) + 1)
    with style(title, *names):
        caption = f"Every run is a point; beside them the mean with its 95 % interval.{_left_out(levels)}"
        figure = new_figure(max(width * len(panels), WIDTH), 4.2, f"{title}: {metric}", caption)
        for number, (of_level, some) in enumerate(panels):
            axes = plain_axes(figure.add_subplot(1, len(panels), number + 1))
            axes.set_title(label(of_level, LONGEST_TITLE))
            for cell in some:
                place, color = names.index(cell.arm), _color(names, cell.arm)
                values = list(cell.values.values())
                spots = (
                    place - 0.15 + 0.1 * (np.linspace(-1, 1, len(values)) if len(values) > 1 else np.zeros(len(values)))
                )
                axes.plot(spots, values, "o", color=color, markersize=4, alpha=0.6, markeredgewidth=0)
                _interval(axes, place + 0.2, cell, color)
            axes.set_xticks(range(len(names)), [label(name) for name in names], rotation=40, ha="right")
            axes.set_xlim(-0.6, len(names) - 0.4)
            if not number:
                axes.set_ylabel(metric)
        return figure


def draw_factor(cells: Sequence[Cell], metric: str, title: str) -> Figure | None:
    """Draw the mean of each arm over a setting that is varied; None unless one is varied, in numbers."""
    names = _names(cells)
    places = [_number(next(iter(cell.level.values()), "")) for cell in cells]
    if not cells or len(cells[0].level) != 1 or None in places or len(set(places)) < 2:
        return None
    factor = short(next(iter(cells[0].level)))
    with style(title, *names):
        caption = f"Means over {factor} with 95 % intervals."
        figure = new_figure(WIDTH, 4.4, f"{title}: {metric}", caption)
        axes = plain_axes(figure.add_subplot())
        numbers = [place for place in places if place is not None]
        if min(numbers) > 0 and max(numbers) > 5 * min(numbers):
            axes.set_xscale("log")
        for name in names:
            some = [(place, cell) for place, cell in zip(numbers, cells, strict=True) if cell.arm == name]
            points = [(place, cell.spread) for place, cell in some if cell.spread is not None]
            color = _color(names, name)
            axes.plot([place for place, _ in points], [one.mean for _, one in points], color=color, label=label(name))
            for place, cell in some:
                _interval(axes, place, cell, color)
        axes.set_xticks(sorted(set(numbers)), [f"{place:g}" for place in sorted(set(numbers))])
        axes.minorticks_off()
        axes.set_xlabel(factor)
        axes.set_ylabel(metric)
        figure.legend(loc="outside lower center", ncols=_columns(names), frameon=False)
        return figure


def draw_curves(curves: Curves, metric: str, title: str) -> Figure | None:
    """Draw the mean of each arm's curves over epochs, with a band from the lowest run to the highest."""
    names = list(dict.fromkeys(key[0] for key in curves))
    every = list(dict.fromkeys(key[1:] for key in curves))
    levels = every[:MOST_PANELS]
    if not any(curves.values()):
        return None
    with style(title, *names):
        bands = "bands reach from the lowest run to the highest, as far as most runs were trained"
        caption = f"Means over runs; {bands}.{_left_out(every)}"
        figure = new_figure(max(WIDTH, PANEL * len(levels)), 4.4, f"{title}: {metric}", caption)
        for number, level in enumerate(levels):
            axes = plain_axes(figure.add_subplot(1, len(levels), number + 1))
            axes.set_title(label(", ".join(level), LONGEST_TITLE))
            for name in names:
                epochs, low, mean, high = _band(curves.get((name, *level), []))
                axes.plot(epochs, mean, color=_color(names, name), label=label(name) if not number else None)
                axes.fill_between(epochs, low, high, color=_color(names, name), alpha=0.15, linewidth=0)
            epoch_axis(axes)
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            if not number:
                axes.set_ylabel(metric)
        figure.legend(loc="outside lower center", ncols=_columns(names), frameon=False)
        return figure


def draw_learning_curve(errors: Mapping[str, Mapping[float, Sequence[float]]], name: str, title: str) -> Figure | None:
    """Draw the error over the number of training samples, and a power law through it; None with fewer than two sizes.

    Args:
        errors: Errors of runs, by arm and by number of training samples.
        name: What the error is.
        title: Title over the figure.
    """
    names = list(errors)
    sizes = sorted({size for of_arm in errors.values() for size in of_arm})
    if len(sizes) < 2:
        return None
    with style(title, *names):
        caption = (
            f"{name} over training samples; dashed: a power law fitted to the runs and its 95 % interval, up to "
            f"{BEYOND:g} times the most samples. The interval holds the chance of the runs, not that of another law. "
            "Runs without any error are left out."
        )
        figure = new_figure(WIDTH, 4.6, f"{title}: {name}", caption)
        axes = plain_axes(figure.add_subplot())
        for axis, scale in ((axes.xaxis, axes.set_xscale), (axes.yaxis, axes.set_yscale)):
            scale("log")
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
            axis.set_minor_formatter(NullFormatter())
        for arm, of_arm in errors.items():
            color = _color(names, arm)
            for size, values in of_arm.items():
                axes.plot([size] * len(values), values, "o", color=color, markersize=4, alpha=0.6, markeredgewidth=0)
            means = [(size, float(np.mean(values))) for size, values in sorted(of_arm.items())]
            axes.plot(*zip(*means, strict=True), color=color, label=label(arm))
            beyond = np.geomspace(sizes[0], BEYOND * sizes[-1], 60)
            law = extrapolate({size: [one for one in some if one > 0] for size, some in of_arm.items()}, beyond)
            if law is not None:
                axes.plot(beyond, law[0], color=color, linestyle="--", linewidth=1)
                low, high = zip(*law[1], strict=True)
                axes.fill_between(beyond, low, high, color=color, alpha=0.12, linewidth=0)
        axes.set_xlabel("training samples")
        axes.set_ylabel(name)
        figure.legend(loc="outside lower center", ncols=_columns(names), frameon=False)
        return figure


def as_error(metric: str, better: str) -> tuple[str, Callable[[float], float]]:
    """Return the name of a metric's error, and how to get it: 1 - accuracy, a loss as it is.

    Args:
        metric: The metric.
        better: Which way it is better, "min" or "max".
    """
    if better == "max":
        return f"error (1 − {metric})", lambda value: 1 - value
    return metric, lambda value: value


def _interval(axes: Axes, place: float, cell: Cell, color: str) -> None:
    if cell.spread is None:
        return
    low, high = cell.spread.interval
    mean = cell.spread.mean
    reach = [[0.0], [0.0]] if math.isnan(low) else [[mean - low], [high - mean]]
    axes.errorbar([place], [mean], yerr=reach, color=color, marker="D", markersize=4, capsize=3, linewidth=1.5)


def _band(runs: Sequence[Sequence[tuple[float, float]]]) -> tuple[list[float], list[float], list[float], list[float]]:
    """Return epochs, and the lowest, mean and highest value of the runs there, where at least half of them are."""
    found: dict[float, list[float]] = {}
    for points in runs:
        for epoch, value in points:
            if math.isfinite(value):
                found.setdefault(round(epoch, 6), []).append(value)
    epochs = [epoch for epoch in sorted(found) if 2 * len(found[epoch]) >= len(runs)]
    means = [spread(found[epoch]).mean for epoch in epochs]
    return epochs, [min(found[epoch]) for epoch in epochs], means, [max(found[epoch]) for epoch in epochs]


def _names(cells: Sequence[Cell]) -> list[str]:
    return list(dict.fromkeys(cell.arm for cell in cells))


def _panels(cells: Sequence[Cell]) -> list[tuple[str, list[Cell]]]:
    """Return the arms at each level, under the level's values."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(", ".join(level_words(cell.level)), []).append(cell)
    return list(found.items())


def _left_out(levels: Sequence[object]) -> str:
    return f" The first {MOST_PANELS} of {len(levels)} levels." if len(levels) > MOST_PANELS else ""


def _columns(names: Sequence[str]) -> int:
    """Return how many columns of a legend fit below a figure."""
    return min(len(names), 2 if max(map(len, names)) > LONG_NAME else 3)


def _color(names: Sequence[str], name: str) -> str:
    return COLORS[list(names).index(name) % len(COLORS)]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
