"""Metrics as printed text."""

import sys
import textwrap
from collections.abc import Mapping

from tqdm import tqdm

from datamodules.printable import printable

WIDTH = 80
JOINED = "\N{NO-BREAK SPACE}"


def say(*lines: str) -> None:
    """Print lines at once, above an open bar; each stays one line, whatever names of classes or files are in it."""
    with tqdm.external_write_mode():
        print("\n".join(map(printable, lines)), flush=True)


def number_text(value: float, sign: str = "") -> str:
    """Return a number with as many digits as are worth reading, however large or small it is.

    Args:
        value: The number.
        sign: "+" shows the sign of values above 0 too.
    """
    size = abs(value)
    if size == 0 or 0.001 <= size < 1000:
        return f"{value:{sign}.4f}"
    return f"{value:{sign}.1f}" if 1000 <= size < 1e6 else f"{value:{sign}.4g}"


def wrapped(text: str, indent: int) -> list[str]:
    """Return a text as lines that fit a terminal of 80 columns, all but the first indented; for a file it is one."""
    if not sys.stdout.isatty():
        return [text]
    return textwrap.wrap(text, WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


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
    pairs = [f"{metric_name(name)}{JOINED}{number_text(value, sign)}" for name, value in metrics.items()]
    lines = textwrap.wrap(
        "   ".join(pairs),
        WIDTH,
        initial_indent=f"  {heading}",
        subsequent_indent="    " if heading else "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(JOINED, " ") for line in lines]
