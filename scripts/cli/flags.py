"""The flags of a job: refuses unknown ones before the parser, and with a start-up cache before torch, is imported."""

import re
from collections.abc import Iterable, Sequence

from scripts.cli.errors import UsageError
from scripts.cli.suggestion import suggest_flag

FLAG = re.compile(r"--[A-Za-z][\w.-]*\+?(?==|$)")
ANY_BELOW = ".*"  # `--model.*`: which flags there are depends on the classes chosen; the parser knows
CLASS_KEYS = ("init_args", "class_path")


def check_flags(words: Sequence[str], known: Iterable[str], below: Iterable[str]) -> None:
    """Check that a job has the flags that it is given.

    Args:
        words: The words after the job's name.
        known: The flags that the job takes; `--model.*` stands for any below `--model`.
        below: Flags that depend on the classes chosen, to suggest from.

    Raises:
        UsageError: A flag is unknown; the message suggests the closest one.
    """
    known = list(known)
    exact = set(known)
    for word in words:
        match = FLAG.match(word)
        if match is None:
            continue
        flag = match[0].rstrip("+")
        keys = [key for key in flag.removeprefix("--").split(".") if key not in CLASS_KEYS]
        if f"--{'.'.join(keys[:2])}" not in exact and f"--{keys[0]}{ANY_BELOW}" not in exact:
            plain = [name for name in known if not name.endswith(ANY_BELOW)]
            raise UsageError(f"unknown argument {flag}{suggest_flag(flag, [*plain, *below])}")
