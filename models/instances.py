"""Objects that are passed to a task: that each is an object of the right kind, not its class or a function."""

from typing import Any


def check_instance(argument: str, given: Any, kind: type) -> None:
    """Check that an argument is an object of a kind.

    Args:
        argument: Name of the argument, for the message.
        given: Its value.
        kind: The class that it must be of.

    Raises:
        ValueError: It is not; the message says what it is instead.
    """
    if isinstance(given, kind):
        return
    name, wanted = getattr(given, "__name__", type(given).__name__), kind.__name__
    if isinstance(given, type):
        raise ValueError(f"{argument}: {name} is a class; make an object of it: {name}(...)")
    if hasattr(given, "__name__"):
        raise ValueError(f"{argument}: {name} is a function, not a {wanted}; call it in the forward of one")
    raise ValueError(f"{argument}: {name} is not a {wanted}")
