"""Range checks of arguments: the bounds, and messages that name class, argument and value."""

import math
import re
from collections.abc import Callable

import pytest

from datamodules.checks import (
    check_at_least,
    check_between,
    check_choice,
    check_coefficient,
    check_fraction,
    check_interval,
    check_percentage,
    check_positive,
    check_positive_interval,
)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: check_fraction("MLP", below_one=True, dropout=1.5), "MLP: dropout 1.5 is not in [0, 1)"),
        (lambda: check_fraction("MLP", below_one=True, dropout=1), "MLP: dropout 1 is not in [0, 1)"),
        (lambda: check_fraction("EMA", above_zero=True, below_one=True, decay=0), "EMA: decay 0 is not in (0, 1)"),
        (lambda: check_fraction("Flip", probability=-0.1), "Flip: probability -0.1 is not in [0, 1]"),
        (lambda: check_fraction("Flip", probability=math.nan), "Flip: probability nan is not in [0, 1]"),
        (lambda: check_percentage("Noise", alpha=101), "Noise: alpha 101 is not a percentage in [0, 100]"),
        (lambda: check_positive("MaxNorm", limit=0), "MaxNorm: limit 0 is not a number above 0"),
        (lambda: check_positive("MaxNorm", limit=math.inf), "MaxNorm: limit inf is not a number above 0"),
        (lambda: check_coefficient("CNN", x=-1), "CNN: x -1 is below 0 or infinite"),
        (lambda: check_coefficient("CNN", good=0, x=math.inf), "CNN: x inf is below 0 or infinite"),
        (lambda: check_at_least("GradualUnfreezing", 1, blocks=0), "GradualUnfreezing: blocks 0 is less than 1"),
        (lambda: check_between("AugMix", 1, 10, severity=11), "AugMix: severity 11 is not in [1, 10]"),
        (lambda: check_choice("Pad", ("a", "b"), mode="c"), "Pad: mode 'c' is not one of a, b"),
        (
            lambda: check_interval("Crop", 0, 1, scale=(0.5, 1.5)),
            "Crop: scale [0.5, 1.5] is not two numbers, the smaller first, from 0 to 1",
        ),
        (
            lambda: check_positive_interval("Crop", ratio=(0, 1)),
            "Crop: ratio [0, 1] is not two numbers above 0, the smaller first",
        ),
        (
            lambda: check_positive_interval("Crop", 1, scale=(0.5, 2)),
            "Crop: scale [0.5, 2] is not two numbers above 0 and up to 1, the smaller first",
        ),
        (
            lambda: check_positive_interval("Crop", ratio=(1, math.inf)),
            "Crop: ratio [1, inf] is not two numbers above 0, the smaller first",
        ),
    ],
)
def test_an_argument_out_of_range_is_named(check: Callable[[], None], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check()


def test_bounds_belong_to_the_range_unless_they_are_excluded() -> None:
    check_fraction("A", zero=0, one=1)
    check_fraction("A", above_zero=True, one=1)
    check_fraction("A", below_one=True, zero=0)
    check_percentage("A", least=0, most=100)
    check_positive("A", tiny=1e-300)
    check_coefficient("A", zero=0)
    check_at_least("A", 2, two=2)
    check_between("A", 1, 2, least=1, most=2)
    check_interval("A", 0, 1, whole=(0, 1), point=[1, 1])
