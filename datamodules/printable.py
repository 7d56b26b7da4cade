"""Text of files on a terminal: a class may be named by a code that clears the screen, or by two lines of metrics."""

import re

# Control characters, and those that break lines or turn the direction of writing.
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # of a cell that a spreadsheet runs
CODES = re.compile(rf"(?![\t\r\n]){CONTROLS.pattern}")


def printable(text: str) -> str:
    """Return text as one line that a terminal shows and does not obey: control characters as Python writes them."""
    return CONTROLS.sub(_escaped, text)


def without_codes(text: str) -> str:
    """Return text with its tabs and line ends, and other control characters as `printable` writes them."""
    return CODES.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
