"""Where a user's own code failed: a file that is neither this project's, nor Python's, nor an installed library's."""

import site
import sysconfig
import traceback
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
ROOMS = ("models", "datamodules", "callbacks", "scripts")
INSTALLED = ("site-packages", "dist-packages")


def place_of(error: BaseException) -> str | None:
    """Return file, line and function of a user's own code that an error went through, None if it went through none.

    "mine.py:17 in Net.forward" is the innermost such place, of the error or of what caused it.
    """
    found = _own_error(error)
    return found[1] if found else None


def describe_fault(error: BaseException) -> str | None:
    """Return an error that went through a user's own code as one line, "mine.py:17 in f: KeyError: 'a'", else None."""
    found = _own_error(error)
    return f"{found[1]}: {_text(found[0])}" if found else None


def with_place(message: str, error: BaseException) -> str:
    """Return a message about an error, with its kind and its place where it went through a user's own code."""
    found = _own_error(error)
    if found is None or found[1] in message or isinstance(found[0], SyntaxError):  # which names the line itself
        return message
    kind = type(found[0]).__name__
    return f"{message} ({'' if kind in message else f'{kind}, '}{found[1]})"


def _own_error(error: BaseException) -> tuple[BaseException, str] | None:
    """Return the outermost of an error and its causes that went through a user's own code, and where."""
    for one in _causes(error):
        if isinstance(one, SyntaxError) and one.filename and _is_own(one.filename):
            return one, f"{_shown(one.filename)}:{one.lineno}"
        own = [(frame.f_code, line) for frame, line in traceback.walk_tb(one.__traceback__)]
        own = [(code, line) for code, line in own if _is_own(code.co_filename)]
        if own:
            code, line = own[-1]
            function = "" if code.co_qualname == "<module>" else f" in {code.co_qualname}"
            return one, f"{_shown(code.co_filename)}:{line}{function}"
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        seen.append(following)
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def _text(error: BaseException) -> str:
    said = str(error)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


@cache
def _libraries() -> tuple[Path, ...]:
    paths = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    rooms = [PROJECT / room for room in ROOMS]
    return tuple({*(Path(path).resolve() for path in (*paths, *site.getsitepackages())), *rooms})


@cache
def _is_own(file: str) -> bool:
    path = Path(file)
    if not path.is_file() or not set(INSTALLED).isdisjoint(path.parts):
        return False
    return not any(path.resolve().is_relative_to(library) for library in _libraries())


def _shown(file: str) -> str:
    path = Path(file).absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
