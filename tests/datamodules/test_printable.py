"""Names are printed as one line that a terminal does not obey."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.printable import printable, without_codes


@pytest.mark.parametrize("name", ["cat", "Größe", "猫", "نمی‌خواهم", "👩‍🔬", "a  b", "$x^{$"])
def test_a_name_in_any_script_stays(name) -> None:
    assert printable(name) == without_codes(name) == name


def test_codes_line_ends_and_turned_writing_are_shown() -> None:
    assert printable("a\x1b[2J\nb\u202ec\x9b\ud800") == r"a\x1b[2J\nb\u202ec\x9b\ud800"
    assert without_codes("a\x1b\n\tb") == "a\\x1b\n\tb"


@given(st.text(st.characters(codec=None)))
def test_any_text_is_one_line_that_can_be_encoded(text) -> None:
    assert len(printable(text).splitlines()) <= 1
    printable(text).encode()
