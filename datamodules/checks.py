"""Range checks of arguments; each raises a `ValueError` that names the class, the argument and its value."""

import math
from collections.abc import Sequence


def check_fraction(owner: str, *, above_zero: bool = False, below_one: bool = False, **values: float) -> None:
    """Check that each value lies in [0, 1].

    Args:
        owner: Name of the class whose arguments these are.
        above_zero: Refuse 0.
        below_one: Refuse 1.
        **values: Values by the names of their arguments.

    Raises:
        ValueError: A value lies outside, or is NaN.
    """
    bounds = f"{'(' if above_zero else '['}0, 1{')' if below_one else ']'}"
    for name, value in values.items():
        inside = 0 <= value <= 1 and not (above_zero and value == 0) and not (below_one and value == 1)
        _check(inside, owner, name, value, f"is not in {bounds}")


def check_percentage(owner: str, **values: float) -> None:
    """Check that each value lies in [0, 100].

    Raises:
        ValueError: A value lies outside, or is NaN.
    """
    for name, value in values.items():
        _check(0 <= value <= 100, owner, name, value, "is not a percentage in [0, 100]")


def check_positive(owner: str, **values: float) -> None:
    """Check that each value is above 0 and finite.

    Raises:
        ValueError: A value is 0, negative, infinite or NaN.
    """
    for name, value in values.items():
        _check(0 < value < math.inf, owner, name, value, "is not a number above 0")


def check_coefficient(owner: str, **values: float) -> None:
    """Check that each value is 0 or more and finite.

    Raises:
        ValueError: A value is negative, infinite or NaN.
    """
    for name, value in values.items():
        _check(0 <= value < math.inf, owner, name, value, "is below 0 or infinite")


def check_at_least(owner: str, least: int, **values: float) -> None:
    """Check that each value is not less than `least`.

    Raises:
        ValueError: A value is less, or NaN.
    """
    for name, value in values.items():
        _check(value >= least, owner, name, value, f"is less than {least}")


def check_between(owner: str, lowest: float, highest: float, **values: float) -> None:
    """Check that each value lies in [lowest, highest].

    Raises:
        ValueError: A value lies outside, or is NaN.
    """
    for name, value in values.items():
        _check(lowest <= value <= highest, owner, name, value, f"is not in [{lowest}, {highest}]")


def check_interval(owner: str, lowest: float, highest: float, **values: Sequence[float]) -> None:
    """Check that each value is an interval, that is two finite numbers, the smaller first, in [lowest, highest].

    Raises:
        ValueError: A value is not an interval within the bounds.
    """
    bounds = f"from {lowest} to {highest}"
    for name, value in values.items():
        inside = len(value) == 2 and lowest <= value[0] <= value[1] <= highest
        _check(inside, owner, name, list(value), f"is not two numbers, the smaller first, {bounds}")


def check_positive_interval(owner: str, highest: float = math.inf, **values: Sequence[float]) -> None:
    """Check that each value is an interval of numbers above 0, finite and not above `highest`.

    Raises:
        ValueError: A value is not an interval within the bounds.
    """
    for name, value in values.items():
        inside = len(value) == 2 and 0 < value[0] <= value[1] <= highest and value[1] < math.inf
        limit = f" and up to {highest}" if highest < math.inf else ""
        _check(inside, owner, name, list(value), f"is not two numbers above 0{limit}, the smaller first")


def check_choice(owner: str, choices: Sequence[str], **values: str) -> None:
    """Check that each value is one of the choices.

    Raises:
        ValueError: A value is not.
    """
    for name, value in values.items():
        _check(value in choices, owner, name, repr(value), f"is not one of {', '.join(choices)}")


def _check(holds: bool, owner: str, name: str, value: object, otherwise: str) -> None:
    if not holds:
        raise ValueError(f"{owner}: {name} {value} {otherwise}")
