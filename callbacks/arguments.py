"""What callbacks ask of their arguments."""

from lightning.fabric.utilities.exceptions import MisconfigurationException


def check_positive(name: str, **values: int) -> None:
    """Check the arguments of a callback.

    Raises:
        MisconfigurationException: One is less than 1.
    """
    for argument, value in values.items():
        if value < 1:
            raise MisconfigurationException(f"{name}: {argument} {value} is less than 1")
