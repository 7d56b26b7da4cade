"""The arguments that a class's constructor takes, and what a factory makes."""

from functools import cache
from typing import Any, get_type_hints

from jsonargparse._parameter_resolvers import get_signature_parameters
from typing_extensions import is_protocol


@cache
def constructor_parameters(cls: type) -> list[Any]:
    """Return jsonargparse's parameters of a class, those that it hands on by `**kwargs` among them."""
    try:
        return list(get_signature_parameters(cls, None))
    except (AttributeError, ValueError):  # an exception or a named tuple, which no recipe builds
        return []


def made_by(annotation: Any) -> Any:
    """Return what a factory that is stated as a protocol makes, None for any other type."""
    if not (isinstance(annotation, type) and is_protocol(annotation) and "__call__" in vars(annotation)):
        return None
    return get_type_hints(annotation.__call__).get("return")
