"""Cells as people write them: numbers, dates and categories are told apart, or the column is refused by name."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules import DataError
from datamodules.tables.columns import read_column


def read(*cells):
    return read_column("table.csv", "x", pd.Series(list(cells)))


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "-2.5", "+3e2", ".5"], [1, -2.5, 300, 0.5]),
        (["1,5", "2,25", "3"], [1.5, 2.25, 3]),
        (["1,234,567", "12"], [1234567, 12]),
        (["1,234.5", "12,000"], [1234.5, 12000]),
        (["1.234,5", "12.000,25", "3"], [1234.5, 12000.25, 3]),
        (["1", "", "NA", "nan", "?", " 2 "], [1, np.nan, np.nan, np.nan, np.nan, 2]),
    ],
)
def test_numbers_as_they_are_meant(cells, values):
    column = read(*cells)
    assert column.kind == "number"
    np.testing.assert_equal(column.values, values)
    assert column.gaps.tolist() == np.isnan(values).tolist()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_numbers_that_python_writes_are_read_to_the_last_bit(numbers):
    assert read(*map(repr, numbers)).values.tolist() == numbers


@pytest.mark.parametrize(
    ("cells", "days"),
    [
        (["1970-01-02", "1970-01-01T12:00:00"], [1, 0.5]),
        (["1970-01-02 00:00:00+00:00", ""], [1, np.nan]),
        (["02.01.1970", "31.1.1970"], [1, 30]),
        (["1970/01/02", "1970/1/31"], [1, 30]),
        (["02/01/1970", "31/01/1970"], [1, 30]),
        (["01/02/1970", "01/31/1970"], [1, 30]),
    ],
)
def test_dates_count_in_days(cells, days):
    column = read(*cells)
    assert column.kind == "date"
    np.testing.assert_equal(column.values, days)


@pytest.mark.parametrize("cells", [["a", "b"], ["True", "False"], ["01", "02", "10"], ["1", "2", "x", "y"]])
def test_all_else_is_a_category_that_stays_what_the_file_says(cells):
    column = read(*cells)
    assert column.kind == "category"
    assert column.values.tolist() == cells


def test_a_parquet_file_has_types_of_its_own():
    assert read_column("t", "x", pd.Series([True, None], dtype="boolean")).values.tolist() == ["True", None]
    np.testing.assert_equal(read_column("t", "x", pd.Series([1, None], dtype="Int64")).values, [1, np.nan])
    np.testing.assert_equal(read_column("t", "x", pd.to_datetime(pd.Series(["1970-01-03", None]))).values, [2, np.nan])
    categories = read_column("t", "x", pd.Series(["b", None], dtype="category"))
    assert (categories.kind, categories.values.tolist()) == ("category", ["b", None])


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["1,234", "2,000"], "'1,234' may be 1.234 or 1234"),
        (["1", "2", "3", "4", "5k"], "row 6, column 'x': '5k' is not a number, as the others are"),
        (["1", "inf"], "row 3, column 'x': the number is infinite"),
        (["2026-01-31", "2026-02-31"], "row 3, column 'x': '2026-02-31' is not a date"),
        (["01/02/2026", "03/04/2026"], "'01/02/2026' may begin with day or month"),
    ],
)
def test_what_may_mean_two_things_is_refused(cells, said):
    with pytest.raises(DataError, match=said):
        read(*cells)
