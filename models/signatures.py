"""The arguments that a class's constructor takes, and the types that an annotation allows."""

from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

from jsonargparse._parameter_resolvers import get_signature_parameters


@cache
def constructor_parameters(cls: type) -> list[Any]:
    """Return jsonargparse's parameters of a class, those that it hands on by `**kwargs` among them."""
    try:
        return list(get_signature_parameters(cls, None))
    except (AttributeError, ValueError):  # an exception or a named tuple, which no recipe builds
        return []


def members(annotation: Any) -> list[Any]:
    """Return the types that a union allows, one for any other type."""
    if get_origin(annotation) in (Union, UnionType):
        return [member for part in get_args(annotation) for member in members(part)]
    return [annotation]
