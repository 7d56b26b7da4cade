"""Metrics as printed text."""

import textwrap
from collections.abc import Mapping

WIDTH = 80
JOINED = "\N{NO-BREAK SPACE}"


def metric_lines(metrics: Mapping[str, float], heading: str = "", sign: str = "") -> list[str]:
    """Return indented lines of names and values that fit a terminal of 80 columns; no metrics, no lines.

    Args:
        metrics: Values by name.
        heading: Text before the first.
        sign: "+" shows the sign of values above 0 too.
    """
    pairs = [f"{name}{JOINED}{value:{sign}.4f}" for name, value in metrics.items()]
    lines = textwrap.wrap(
        "   ".join(pairs),
        WIDTH,
        initial_indent=f"  {heading}",
        subsequent_indent="    " if heading else "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(JOINED, " ") for line in lines]
