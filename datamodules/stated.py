"""A placeholder for attributes that every dataset must state."""

from typing import Any

from datamodules.errors import DataError


class Stated:
    """Placeholder of a class attribute: reading it where no subclass has stated it raises an error that says so.

    Args:
        example: A value, as text, for the message.
    """

    def __init__(self, example: str) -> None:
        self.example = example

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type) -> Any:
        example = f"{self.name} = {self.example}"
        raise DataError(f"{owner.__name__}: {self.name} is missing; state it in the class: {example}")
