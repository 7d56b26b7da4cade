"""The names of the columns that a user chose, checked against those of the table."""

import difflib
from collections.abc import Sequence

from datamodules.errors import DataError

MOST_LISTED = 30  # names that one line can hold


def check_named(path: str, names: Sequence[str], there: Sequence[str]) -> None:
    """Check that a table has columns.

    Args:
        path: The file, for messages.
        names: The names asked for.
        there: Those of the table.

    Raises:
        DataError: It does not have one of them.
    """
    for name in names:
        if name not in there:
            several = "; write several as [a, b]" if "," in name else ""
            raise DataError(
                f"{path} has no column {name!r}; there are {_listed(there)}{several}{_closest(name, there)}"
            )


def check_roles(target: Sequence[str], weights: str | None, features: Sequence[str] | None) -> None:
    """Check that each column has one part to play: target, weights or feature.

    Raises:
        DataError: One has several.
    """
    if len({*target, weights}) <= len(target):
        raise DataError(f"target and weights: {', '.join(target)} and {weights!r}: name each column once")
    chosen = features or []
    answer = next((name for name in target if name in chosen), None)
    if answer is not None:
        raise DataError(f"features: {answer!r} is the target and cannot be a feature")
    if len(set(chosen)) < len(chosen):
        raise DataError(f"features: {', '.join(chosen)}: name each column once")


def _closest(name: str, there: Sequence[str]) -> str:
    lowered = {one.lower(): one for one in there}
    found = difflib.get_close_matches(name.lower(), lowered, n=1)
    return f"; did you mean {lowered[found[0]]!r}?" if found else ""


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more:,} more" if more > 0 else "")
