"""The arguments that a class's constructor takes, and the types that an annotation allows."""

from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from jsonargparse._parameter_resolvers import get_signature_parameters
from typing_extensions import is_protocol


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


def made_by(annotation: Any) -> Any:
    """Return what a factory that is stated as a protocol makes, None for any other type."""
    if not (isinstance(annotation, type) and is_protocol(annotation) and "__call__" in vars(annotation)):
        return None
    return get_type_hints(annotation.__call__).get("return")
