"""Fonts for whatever letters the names of classes, columns and folders are written in.

matplotlib's own font has Latin, Greek and Cyrillic letters. For others an installed font is looked for.
"""

from contextlib import suppress
from functools import cache

from matplotlib.font_manager import FontEntry, FontProperties, findSystemFonts, fontManager, get_font

from datamodules.printable import printable

OWN_FAMILY = "DejaVu Sans"  # which matplotlib brings
BOXES = "Last Resort"  # begins the name of a font that draws a box for every letter; matplotlib 3.11 brings it
REGULAR = (400, "normal", "book", "regular")
UNKNOWN = "?"


def families(text: str) -> list[str]:
    """Return the names of the fonts that draw a text between them, matplotlib's own first."""
    return [OWN_FAMILY, *_others(_foreign(text))]


def drawable(text: str) -> str:
    """Return text as one line, with "?" for each letter that no installed font has."""
    line = printable(text)
    lacking = _foreign(line)
    for family in _others(lacking):
        lacking -= _letters(family)
    return "".join(UNKNOWN if letter in lacking else letter for letter in line)


def _foreign(text: str) -> frozenset[str]:
    """Return the letters of a text that matplotlib's own font lacks."""
    return frozenset(text) - _letters(OWN_FAMILY) - {"\n"}


@cache
def _others(letters: frozenset[str]) -> tuple[str, ...]:
    """Return the installed fonts that have most of some letters, the best first, until no other font has more."""
    if not letters:
        return ()
    _find_new_fonts()
    chosen: list[str] = []
    for _ in range(len(letters)):
        counts = [(len(letters & _letters(family)), family) for family in _regular_families()]
        most, family = max(counts, key=lambda pair: (pair[0], "Serif" not in pair[1], "Mono" not in pair[1]))
        if not most:
            break
        chosen.append(family)
        letters -= _letters(family)
    return tuple(chosen)


def _find_new_fonts() -> None:
    """Add the fonts that were installed after matplotlib made its list."""
    known = {entry.fname for entry in fontManager.ttflist}
    for path in findSystemFonts():
        if path not in known:
            with suppress(Exception):  # bitmaps, and files that are broken
                fontManager.addfont(path)


def _regular_families() -> list[str]:
    return sorted({entry.name for entry in fontManager.ttflist if _is_regular(entry)})


def _is_regular(entry: FontEntry) -> bool:
    return entry.style == "normal" and entry.weight in REGULAR and not entry.name.startswith(BOXES)


@cache
def _letters(family: str) -> frozenset[str]:
    """Return the letters that a font has; none if its file cannot be read."""
    with suppress(Exception):  # a font that is listed may have been removed
        path = fontManager.findfont(FontProperties(family=[family]), fallback_to_default=False)
        return frozenset(map(chr, get_font(path).get_charmap()))
    return frozenset()
