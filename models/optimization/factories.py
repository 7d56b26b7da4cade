"""Calls of the factories that YAML or a notebook gives, such as `functools.partial(SGD, lr=0.1)`."""

import functools
from collections.abc import Callable, Iterator
from typing import Any


def call_factory(argument: str, factory: Callable[..., Any], *values: Any, **named: Any) -> Any:
    """Call a factory; name the argument that holds it if it refuses.

    Args:
        argument: Name of the task's argument that holds the factory, for the message.
        factory: The factory.
        values: Its positional arguments.
        named: Its keyword arguments.

    Returns:
        The object that it makes.

    Raises:
        ValueError: The factory raises it; the message names `argument`.
    """
    try:
        return factory(*values, **named)
    except ValueError as error:
        raise ValueError(f"{argument} ({unwrap_factory(factory)[0].__name__}): {error}") from error


def unwrap_factory(factory: Callable[..., Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return the class or function that a factory calls, and the keywords given to it.

    Sees through `functools.partial` and jsonargparse's own wrapping.
    """
    given: dict[str, Any] = {}
    while isinstance(factory, functools.partial):
        given = factory.keywords | given
        classes: Iterator[type] = (argument for argument in factory.args if isinstance(argument, type))
        factory = next(classes, factory.func)
    return factory, given
