"""Arguments of the wrong kind, refused by name when an object is made: Python itself checks no annotation."""

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from numbers import Integral, Real
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from torch import Tensor, nn
from typing_extensions import is_protocol

OWN = ("datamodules", "models")
WORDS = {int: "a whole number", float: "a number", bool: "True or False", str: "a text"}
PLURALS = {int: "whole numbers", float: "numbers", str: "texts"}
LISTS = (list, tuple)
LONGEST = 60  # characters of a value that a message shows


def call_arguments(cls: type, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a constructor by name, those in its `**kwargs` among them, once they are checked.

    Args:
        cls: The class.
        args: Positional arguments.
        kwargs: Arguments by name.

    Returns:
        The arguments; none if the constructor does not take them, which it will say itself.

    Raises:
        ValueError: One is of another kind than this project's annotation says; the message names class and argument.
    """
    try:
        bound = inspect.signature(cls.__init__).bind_partial(None, *args, **kwargs)  # type: ignore[misc]
    except TypeError:
        return {}
    _, *given = bound.arguments.items()
    found: dict[str, Any] = {}
    for name, value in given:
        several = bound.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD
        found |= value if several else {name: value}
    kinds = _annotations(cls)
    for name, value in found.items():
        _check(cls.__name__, name, value, kinds.get(name))
    return found


def _check(owner: str, name: str, value: Any, kind: Any) -> None:
    items = value if isinstance(value, LISTS) else [value]
    unready = next((item for item in items if isinstance(item, nn.Module) and "_modules" not in vars(item)), None)
    if unready is not None:
        own = type(unready).__name__
        raise ValueError(f"{owner}: {name}: the __init__ of {own} must call super().__init__() first")
    if kind is None or _fits(value, kind):
        return
    for member in members(kind):
        if isinstance(value, LISTS) and get_origin(member) in LISTS:
            for place, item in enumerate(value):
                _check(owner, f"{name}[{place}]", item, get_args(member)[0])
    raise ValueError(f"{owner}: {name} {_refusal(value, members(kind))}")


@cache
def _annotations(cls: type) -> dict[str, Any]:
    """Return the types of constructor arguments by name, where this project states them."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        function: Callable[..., Any] | None = vars(base).get("__init__")
        if function is None:
            continue
        if base.__module__.split(".")[0] in OWN:
            found |= get_type_hints(function)
        else:  # of a class of a user's own; what it takes is its own business
            found = {name: kind for name, kind in found.items() if name not in inspect.signature(function).parameters}
    return {name: kind for name, kind in found.items() if name not in ("kwargs", "return")}


def members(kind: Any) -> list[Any]:
    """Return the types that a union allows, one for any other type."""
    if get_origin(kind) in (Union, UnionType):
        return [member for part in get_args(kind) for member in members(part)]
    return [kind]


def _fits(value: Any, kind: Any) -> bool:
    """Return whether a value is of a kind; None always is, for classes say themselves what it means."""
    return value is None or any(_is(value, member) for member in members(kind))


def _is(value: Any, kind: Any) -> bool:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return isinstance(value, str | int | float) and value in inner
    if origin in LISTS:
        return _is_list(value, inner[0])
    if kind in (int, bool):
        return isinstance(value, Integral) or type(value).__name__ == "bool" or _is_scalar(value)
    if kind is float:
        return isinstance(value, Real) or _is_scalar(value)
    if kind is str:
        return isinstance(value, str | os.PathLike)
    return not _is_checked(kind) or isinstance(value, kind)


def _is_checked(kind: Any) -> bool:
    """Return whether objects of a kind are told by their class: functions are not, nor what a `Protocol` describes."""
    return isinstance(kind, type) and kind is not Any and not is_protocol(kind)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim == 0


def _is_list(value: Any, kind: Any) -> bool:
    """Return whether a value is a list of items of a kind; one object where a list of objects is wanted will do."""
    if isinstance(value, LISTS):
        return all(_fits(item, kind) for item in value)
    objects = [member for member in members(kind) if _is_checked(member) and member not in WORDS]
    described = any(is_protocol(member) for member in members(kind))
    if (described and callable(value)) or any(isinstance(value, member) for member in objects):
        return True
    return isinstance(value, Iterable) and not isinstance(value, str | Mapping | type)


def _refusal(value: Any, kinds: Sequence[Any]) -> str:
    """Return in words what a value is, and what it should be."""
    hint = ""
    if isinstance(value, type):
        shown, hint = f"(the class {value.__name__})", f": call it, {value.__name__}(...)"
    elif inspect.isroutine(value):
        shown = f"(the function {value.__name__})"
    elif isinstance(value, str | int | float | list | tuple) and len(repr(value)) <= LONGEST:
        shown, hint = repr(value), _example(value, kinds)
    else:
        shown = f"({_article(type(value).__name__)})"
    words = [_word(kind) for kind in kinds if kind is not type(None)]
    return f"{shown} is not {' or '.join(dict.fromkeys(words))}{hint}"


def _word(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin in LISTS:
        made = [member for member in members(inner[0]) if member is not type(None)]
        of = " or ".join(PLURALS.get(member) or f"{_name(member)} objects" for member in made)
        return f"{_article(origin.__name__)} of {of}"
    return WORDS.get(kind) or _article(_name(kind))


def _name(kind: Any) -> str:
    return "nn.Module" if kind is nn.Module else getattr(kind, "__name__", str(kind))


def _article(name: str) -> str:
    return f"an {name}" if name.startswith((*"AEIOUaeiou", "nn.")) else f"a {name}"


def _example(value: Any, kinds: Iterable[Any]) -> str:
    """Return how to write a single item as a list or tuple of one, "" if that is not what is wrong."""
    for kind in kinds:
        if get_origin(kind) in LISTS and get_args(kind) and _fits(value, get_args(kind)[0]):
            return f": write ({value!r},)" if get_origin(kind) is tuple else f": write [{value!r}]"
    return ""
