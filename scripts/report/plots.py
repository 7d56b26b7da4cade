"""Curves as SVG inside the page: its text stays sharp, and its colours are those of the page, light or dark."""

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes

from callbacks.figures import epoch_axis, new_figure, plain_axes, style
from datamodules.printable import printable
from scripts.report.scalars import Points, thinned

# Colours by their names in the page's style sheet. Drawn is a stand-in, which the style sheet's variable replaces.
SERIES = ("train", "val", "test", "best", *(f"line-{number}" for number in range(8)))
STAND_INS = {name: f"#fe01{number:02x}" for number, name in enumerate(SERIES)}
VARIABLES = {"#000000": "ink", "#b0b0b0": "grid"} | {drawn: name for name, drawn in STAND_INS.items()}
WIDTH, HEIGHT = 4.3, 2.6  # inches
SMALL: Any = {"font.size": 10, "axes.labelsize": 10, "xtick.labelsize": 10, "ytick.labelsize": 10}
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


class Entry(NamedTuple):
    """An entry of a legend: its words, the colour's name and the style of the line, "" if it is plain."""

    label: str
    color: str
    style: str = ""


@dataclass(frozen=True)
class Line:
    """One line of a plot.

    Attributes:
        points: In order.
        color: One of `SERIES`.
        faint: Whether it is thin and pale, as one run among several.
    """

    points: Points
    color: str
    faint: bool = False


@dataclass(frozen=True)
class Plot:
    """A plot of the page.

    Attributes:
        title: What is drawn.
        lines: The lines.
        unit: What they are over: "epoch" or "step".
        marks: Where to draw a vertical line: the best epoch.
        legend: Entries of its own, if its lines are not what the page's legend says.
    """

    title: str
    lines: Sequence[Line]
    unit: str
    marks: Sequence[float] = ()
    legend: Sequence[Entry] = ()

    def svg(self) -> Markup:
        """Return the plot as SVG without a title or legend, which the page has."""
        with style(), mpl.rc_context(SMALL):
            return self._drawn()

    def _drawn(self) -> Markup:
        figure = new_figure(WIDTH, HEIGHT, "")
        axes = plain_axes(figure.add_subplot())
        for patch in (figure.patch, axes.patch):
            patch.set_visible(False)
        for line in self.lines:
            points = thinned(line.points)
            axes.plot(
                *zip(*points, strict=True),
                color=STAND_INS[line.color],
                linewidth=0.8 if line.faint else 1.6,
                alpha=0.45 if line.faint else 1,
                marker="o" if len(points) == 1 else None,
                markersize=4,
            )
        _show_level(axes)
        for mark in self.marks:
            axes.axvline(mark, color=STAND_INS["best"], linewidth=1, linestyle=":")
        epoch_axis(axes)
        axes.set_xlabel(self.unit)
        written = io.StringIO()
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "report"}), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # letters that matplotlib's font lacks: the browser has its own
            figure.savefig(written, format="svg", metadata=NO_METADATA)
        return _for_page(written.getvalue(), self.title)


def _show_level(axes: Axes) -> None:
    """Begin the axis of a line that stays level at 0: else its ticks would show differences that are none."""
    lowest, highest = axes.dataLim.intervaly
    if 0 < lowest == highest:
        axes.set_ylim(0, 1.2 * highest)


def _for_page(svg: str, title: str) -> Markup:
    """Return an SVG file of matplotlib's as an element of the page.

    The text in it is escaped by matplotlib; fonts, sizes and colours are left to the style sheet.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', r"<svg \1>", svg, count=1)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(r"font-family: [^;\"]*;?", "", svg).replace("xlink:href", "href")
    svg = re.sub(r"(?<=[: ])#[0-9a-f]{6}\b", lambda match: _variable(match[0]), svg)
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    label = Markup('<svg role="img" aria-label="{}" ').format(printable(title))
    return Markup(svg.strip().replace("<svg ", label, 1))  # noqa: S704  only matplotlib's own markup is left


def _variable(color: str) -> str:
    return f"var(--{VARIABLES[color]})" if color in VARIABLES else color
