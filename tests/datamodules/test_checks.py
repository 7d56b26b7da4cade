"""Range checks of arguments: the bounds, and messages that name class, argument and value."""

import math
import re
from collections.abc import Callable

import pytest

from datamodules.checks import check_at_least, check_coefficient, check_fraction, check_percentage, check_positive


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
