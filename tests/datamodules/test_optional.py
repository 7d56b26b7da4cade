import pytest

from datamodules.errors import DataError
from datamodules.optional import need


def test_a_missing_package_is_one_line_with_the_command_that_brings_it() -> None:
    need("torch", "explain", "this")
    with pytest.raises(DataError) as raised:
        need("no_such_package", "explain", "WhatDecided")
    assert str(raised.value) == "WhatDecided needs no_such_package: pip install 'holdout[explain]'"
