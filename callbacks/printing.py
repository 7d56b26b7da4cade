"""Metrics as printed text."""

import textwrap
from collections.abc import Mapping

from datamodules.printable import printable

WIDTH = 80
JOINED = "\N{NO-BREAK SPACE}"


def say(*lines: str) -> None:
    """Print lines at once; each stays one line, whatever names of classes, files or columns are in it."""
    print("\n".join(map(printable, lines)), flush=True)


def metric_name(name: str) -> str:
    """Return a metric's name as it is printed: in quotes if it has spaces, as one of a class may, "x  loss 0.0"."""
    return repr(name) if any(map(str.isspace, name)) else name


def metric_lines(metrics: Mapping[str, float], heading: str = "", sign: str = "") -> list[str]:
    """Return indented lines of names and values that fit a terminal of 80 columns; no metrics, no lines.

    Args:
        metrics: Values by name.
        heading: Text before the first.
        sign: "+" shows the sign of values above 0 too.
    """
    pairs = [f"{metric_name(name)}{JOINED}{value:{sign}.4f}" for name, value in metrics.items()]
    lines = textwrap.wrap(
        "   ".join(pairs),
        WIDTH,
        initial_indent=f"  {heading}",
        subsequent_indent="    " if heading else "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(JOINED, " ") for line in lines]
