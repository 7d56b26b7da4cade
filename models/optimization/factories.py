"""Calls of the factories that YAML or a notebook gives, such as `functools.partial(SGD, lr=0.1)`."""

from collections.abc import Callable
from typing import Any

from models.init_args import unwrap_factory


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
        ValueError: The factory refuses its arguments; the message names `argument`.
    """
    try:
        return factory(*values, **named)
    except (ValueError, TypeError, ZeroDivisionError) as error:
        # OneCycleLR and others divide by the length of their phases.
        reason = "the run is too short for it" if isinstance(error, ZeroDivisionError) else error
        raise ValueError(f"{argument} ({unwrap_factory(factory)[0].__name__}): {reason}") from error


def check_factory(argument: str, factory: Any) -> None:
    """Check that an argument is a function, or None.

    Raises:
        ValueError: It is something else, such as an optimizer that is built already.
    """
    if factory is not None and not callable(factory):
        example = "StepLR, step_size=10" if argument == "lr_scheduler" else "SGD, lr=0.1"
        kind = type(factory).__name__
        raise ValueError(
            f"{argument}: give a function that makes one, such as functools.partial({example}), not a {kind}"
        )
