"""Values of samples that are files, taken from their paths."""

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from datamodules.errors import DataError


def values_in_paths(pattern: str, files: list[str], root: Path) -> npt.NDArray[np.str_]:
    """Return what a regular expression finds in each path, (N,): its first group, or the whole match if it has none.

    Args:
        pattern: The regular expression; it is searched, so it need not match from the start.
        files: N paths below `root`, with "/" between folders.
        root: Folder of the files, for messages.

    Raises:
        DataError: `pattern` is not a regular expression, or does not match a file.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise DataError(f"{pattern!r} is not a regular expression: {error}") from error
    found = [expression.search(file) for file in files]
    values = [match and match[min(expression.groups, 1)] for match in found]
    unmatched = [file for file, value in zip(files, values, strict=True) if value is None]
    if unmatched:
        raise DataError(
            f"the pattern {pattern!r} does not match {unmatched[0]} below {root} ({len(unmatched)} of {len(files)} "
            "files do not)"
        )
    return np.array(values)
