"""A column's form belongs to its encoding: what one file writes, each new row means alone too."""

import dataclasses
import datetime
import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from datamodules import DataError
from datamodules.tables.columns import read_column, read_numbers
from datamodules.tables.encoding import ColumnEncoding, fit_encoding
from datamodules.tables.forms import FORMS
from datamodules.tables.new_rows import encode_rows

NUMBERS = st.lists(
    st.integers(-(10**9), 10**9).map(lambda number: number / 100) | st.just(float("nan")), min_size=2, max_size=6
)
FORM = st.builds(
    lambda form, before, after: dataclasses.replace(form, before=before, after=after),
    st.sampled_from(FORMS),
    st.sampled_from(["", "€", "US$"]),
    st.sampled_from(["", "%", " kg"]),
)


def column(*cells):
    return read_column("table.csv", "x", pd.Series(list(cells)))


def encoding(*cells):
    """Return the encoding of a column after a checkpoint has kept it as plain values."""
    read = column(*cells)
    fitted = fit_encoding(read, np.arange(len(read.values)), "standard")
    return ColumnEncoding.from_plain(json.loads(json.dumps(fitted.plain())))


def new(encoding, *cells):
    return encode_rows(pd.DataFrame({"x": list(cells)}), [encoding])[:, 0].tolist()


def is_clear(*cells):
    """Return whether cells are numbers, and which: not 1,234 alone."""
    try:
        return column(*cells).kind == "number"
    except DataError:
        return False


@settings(max_examples=40)
@given(NUMBERS, FORM)
def test_a_new_cell_means_what_it_meant_in_the_training_file(numbers, form):
    written = ["" if np.isnan(number) else form.write(number) for number in numbers]
    assume(is_clear(*written))
    read = column(*written)
    trained = encoding(*written)
    for cell, value in zip(written, read.values, strict=True):
        np.testing.assert_equal(new(trained, cell), [value])


@settings(max_examples=40)
@given(NUMBERS, FORM)
def test_numbers_are_read_in_the_form_that_they_are_written_in(numbers, form):
    clear = [1234567.25, 0.5]  # which only one form gives
    read = column(*map(form.write, [*numbers, *clear]) if not np.isnan(numbers).any() else map(form.write, clear))
    expected = [*numbers, *clear] if not np.isnan(numbers).any() else clear
    assert read.kind == "number"
    np.testing.assert_allclose(read.values, expected, rtol=1e-11)


@pytest.mark.parametrize("order", ["%d/%m/%Y", "%m/%d/%Y"])
@settings(max_examples=20)
@given(st.lists(st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1)), min_size=1, max_size=9))
def test_days_and_months_keep_the_order_of_the_training_file(order, dates):
    trained = encoding(*(date.strftime(order) for date in [*dates, datetime.date(2026, 1, 31)]))
    for date in dates:
        assert new(trained, date.strftime(order)) == [(date - datetime.date(1970, 1, 1)).days]


def test_a_cell_is_read_by_the_training_files_form_and_not_its_own():
    assert new(encoding("1.234", "2.500,10"), "1.234") == [1234]
    assert new(encoding("1.234", "2.5"), "1.234") == [1.234]


@pytest.mark.parametrize(
    ("trained", "cell", "said"),
    [
        (["1.234", "2.5"], "2.500,10", "row 3, column 'x': '2.500,10' is not a number in the form of the column"),
        (["1,5", "2,25"], "1.5", "'1.5' is not a number in the form of the column, such as '1234,5'"),
        (["5 kg", "7 kg"], "5 lb", "'5 lb' is not a number"),
        (["31/01/2026", "01/02/2026"], "01/31/2026", "'01/31/2026' is not a date in the form of the column, %d/%m/%Y"),
        (["08:30", "09:15"], "noon", "'noon' is not a time"),
        (["1", "2"], ["a"], "the cell holds a list"),
    ],
)
def test_a_new_cell_in_another_form_is_refused_by_row_and_column(trained, cell, said):
    with pytest.raises(DataError, match=said):
        new(encoding(*trained), trained[0], cell)


@pytest.mark.parametrize("trained", [["1,5", "2,25"], ["1.5", "2"], ["€ 1,5", "€ 2,25"]])
def test_typed_numbers_have_no_form(trained):
    for cells in ([1.5, 1234.25], [Decimal("1.5"), 1234.25]):
        assert new(encoding(*trained), *cells) == [1.5, 1234.25]
    frame = pd.DataFrame({"x": pd.array([1, None], dtype="Int64")})
    np.testing.assert_equal(encode_rows(frame, [encoding(*trained)])[:, 0].tolist(), [1, np.nan])


def test_typed_dates_and_times_have_no_form():
    assert new(encoding("31/01/2026", "01/02/2026"), pd.Timestamp("1970-01-02")) == [1]
    assert new(encoding("08:30", "09:15"), datetime.time(8, 30)) == [8.5]
    assert new(encoding("08:30", "09:15"), pd.Timedelta(minutes=90)) == [1.5]


def test_yes_in_another_case_is_yes():
    trained = encoding("Yes", "no", "YES")
    assert trained.values == ("no", "yes")
    assert new(trained, "yEs", "No") == [1, 0]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["€ 1.200", "€ 3.450,50"], [1200, 3450.5]),
        (["12 %", "3,5 %"], [12, 3.5]),
        (["$1,200.50", "-$3"], [1200.5, -3]),
        (["1 234", "12\u00a0345,6"], [1234, 12345.6]),
        (["1'234.5", "1’234.5"], [1234.5, 1234.5]),
        (["(1.50)", "2.25"], [-1.5, 2.25]),
        (["\u22125", "3"], [-5, 3]),
        (["2,5", "1.234"], [2.5, 1234]),
        (["0,144", "1,200"], [0.144, 1.2]),  # a group of thousands does not begin with 0
        (["-", "1", "--"], [np.nan, 1, np.nan]),
        (["5 km/h", "12.5 km/h"], [5, 12.5]),
    ],
)
def test_units_and_signs_are_read_as_they_are_meant(cells, values):
    np.testing.assert_equal(column(*cells).values, values)


@pytest.mark.parametrize(
    ("cells", "hours"),
    [(["08:30", "17:15:30"], [8.5, 17 + 930 / 3600]), (["8:30 AM", "12:15 pm", "12:00 a.m."], [8.5, 12.25, 0])],
)
def test_times_of_day_are_hours(cells, hours):
    read = column(*cells)
    assert read.kind == "time"
    assert read.values.tolist() == pytest.approx(hours)


@pytest.mark.parametrize(
    "cells",
    [["31.01.2026 06:00", "1.2.2026 06:00"], ["1/31/2026 6:00", "2/1/2026 6:00"], ["31-Jan-2026", "1-Feb-2026"]],
)
def test_dates_with_times_and_names_of_months(cells):
    read = column(*cells)
    assert read.kind == "date"
    assert np.diff(read.values).tolist() == [1]


@pytest.mark.parametrize("cells", [["+", "-"], ["5k", "10M"], ["town 1", "town 2"], ["2:1", "3:0"], ["01 kg", "2 kg"]])
def test_what_only_looks_like_a_number_is_a_category(cells):
    assert column(*cells).values.tolist() == cells


def test_numbers_of_any_form_are_numbers_to_others_too():
    cells = pd.Series(["1,5", "", "2,25"])
    np.testing.assert_equal(read_numbers("t.csv", "x", cells, missing=True), [1.5, np.nan, 2.25])
    with pytest.raises(DataError, match=r"t\.csv, row 3, column 'x': '' is not a number"):
        read_numbers("t.csv", "x", cells)
    with pytest.raises(DataError, match=r"t\.csv, row 4, column 'x': 'b' is not a number"):
        read_numbers("t.csv", "x", pd.Series(["1", "2", "b", "c"]))


@pytest.mark.parametrize("day", ["{} May 2024", "May {}, 2024"])
def test_a_column_of_full_names_of_months_may_hold_may(day):
    june = column(*(day.format(number) for number in (1, 2)), day.format(3).replace("May", "June"))
    assert june.kind == "date"
    assert np.diff(june.values).tolist() == [1, 32]


def test_dates_far_from_today_are_dates():
    far = column("2024-01-05", "9999-12-31", "0990-01-01")
    assert far.kind == "date"
    assert (far.values / 365.2425 + 1970).round().tolist() == [2024, 10000, 990]
    typed = pd.Series(np.array(["2024-01-05", "9999-12-31", "NaT"], dtype="datetime64[us]"))
    np.testing.assert_array_equal(read_column("t.parquet", "x", typed).values, [*far.values[:2], np.nan])


def test_codes_that_look_like_dates_are_names():
    assert column("1234-56-78", "5551-23-45", "2024-01-05").kind == "category"
    with pytest.raises(DataError, match="row 7, column 'x': '2024-02-30' is not a date"):
        column(*["2024-01-05"] * 5, "2024-02-30")


def test_codes_with_a_zero_in_front_are_names_with_spaces_too():
    assert column(*["10 115"] * 9, "01 067").kind == "category"


@pytest.mark.parametrize("written", ["EUR {}", "{} EUR", "€{}", "{} €", "{}USD"])
def test_money_in_thousands_or_thousandths_is_asked_about(written):
    with pytest.raises(DataError, match=r"may be 1.234 or 1234"):
        column(written.format("1.234"), written.format("2.500"))


def test_many_decimal_commas_are_read_in_a_moment(monkeypatch):
    def apply(*_, **__):
        raise AssertionError("a Python call for each row")

    monkeypatch.setattr(pd.DataFrame, "apply", apply)
    read = column(*(f"{number / 8}".replace(".", ",") + " kg" for number in range(1000)))
    assert read.values.tolist() == [number / 8 for number in range(1000)]


def test_points_that_may_group_thousands_are_asked_about():
    with pytest.raises(DataError, match=r"column 'x': '12.345' may be 12.345 or 12345, beside '999'; write numbers"):
        column("999", "12.345", "-1.200", "0")
    assert column("9.990", "12.345").values.tolist() == [9.99, 12.345]
    assert column("999", "12.345", "0.5").values.tolist() == [999, 12.345, 0.5]


@pytest.mark.timeout(60)
def test_a_long_cell_of_spaces_is_no_number_at_once():
    column("€" + " " * 200_000 + "x!", "b")
