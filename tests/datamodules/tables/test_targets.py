"""What the target is: classes as the file writes them, or numbers; said, and overridable."""

import numpy as np
import pandas as pd
import pytest

from datamodules import DataError
from datamodules.samples import UNLABELLED
from datamodules.tables.targets import read_target, read_target_column


def read(cells, continuous=None):
    return read_target("table.csv", pd.DataFrame({"y": cells}), "y", continuous)


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (["b", "a"] * 3, ("a", "b")),
        (["01", "1", "001"] * 3, ("001", "01", "1")),
        (["True", "False"] * 3, ("False", "True")),
        (["a, b", "none"] * 3, ("a, b", "none")),
        (["10", "9", "1"] * 3, ("1", "9", "10")),
        ([1, 0] * 3, ("0", "1")),
        ([True, False] * 3, ("False", "True")),
    ],
)
def test_classes_stay_what_the_file_says(cells, names):
    target = read(cells)
    assert target.class_names == names
    assert [target.class_names[label] for label in target.values] == [str(cell) for cell in cells]


def test_spaces_around_a_class_do_not_make_another_and_are_said():
    target = read(["a", "a ", " b", "b"])
    assert target.class_names == ("a", "b")
    assert "spaces" in target.notes[0]


@pytest.mark.parametrize("cells", [[str(k / 7) for k in range(30)], [str(k) for k in range(60)], [0.5, 1.5] * 20])
def test_a_number_is_predicted_where_it_is_no_class(cells):
    target = read(cells)
    assert target.class_names == ()
    assert target.values.ravel().tolist() == pytest.approx([float(cell) for cell in cells])


def test_what_is_found_out_can_be_overridden():
    assert read(["1", "2", "3"] * 5, continuous=True).class_names == ()
    assert read(["0.5", "1.5"] * 5, continuous=False).class_names == ("0.5", "1.5")


def test_several_columns_are_several_numbers():
    frame = pd.DataFrame({"a": ["1", "2", "3"], "b": ["4", "5", "6"]})
    values = read_target("table.csv", frame, ["a", "b"], None).values
    np.testing.assert_array_equal(values, [[1, 4], [2, 5], [3, 6]])


@pytest.mark.parametrize(
    ("cells", "continuous", "said"),
    [
        (["a", "b", "c"], None, "3 different values among 3 in the column 'y' are not classes"),
        (["a", "b"] * 3, True, "column 'y': 'a' is not a number"),
        (["1", "none", "2"], True, "row 3, column 'y': the target is not a number"),
        (["1", "none", "2", "x"], True, "row 5, column 'y': 'x' is not a number"),
        (["a"] * 5, None, "all rows have the class 'a' in the column 'y'"),
    ],
)
def test_a_target_that_cannot_be_learnt_is_refused(cells, continuous, said):
    with pytest.raises(DataError, match=said):
        read(cells, continuous)


@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("yes", "no"), ("True", "False"), (True, False), (1, 0)])
def test_several_columns_of_yes_and_no_are_labels(yes, no):
    frame = pd.DataFrame({"hot": [yes, no, yes], "wet": [no, no, yes]})
    target = read_target("table.csv", frame, ["hot", "wet"])
    assert target.class_names == ("hot", "wet")
    assert target.values.tolist() == [[True, False], [False, False], [True, True]]
    assert read_target("table.csv", frame, ["hot"]).values.shape == (3, 1)


def test_a_column_may_list_the_labels_of_a_row():
    target = read_target("t", pd.DataFrame({"y": ["rock|live", "", " live ", None]}), "y", label_separator="|")
    assert target.class_names == ("live", "rock")
    assert target.values.tolist() == [[True, True], [False, False], [True, False], [False, False]]


def test_lists_of_labels_that_are_not_there_are_refused():
    with pytest.raises(DataError, match="no row has a label in the column 'y'"):
        read_target("t", pd.DataFrame({"y": ["", ""]}), "y", label_separator="|")
    with pytest.raises(DataError, match="are several columns"):
        read_target("t", pd.DataFrame({"y": ["a"], "z": ["b"]}), ["y", "z"], label_separator="|")


def test_lists_in_the_cells_of_a_parquet_file_are_lists_of_labels():
    frame = pd.DataFrame({"y": [np.array(["rock", "live"]), [], [" live "], None]})
    target = read_target("t", frame, "y")
    assert target.class_names == ("live", "rock")
    assert target.values.tolist() == [[True, True], [False, False], [True, False], [False, False]]


def test_classes_of_several_columns_are_refused():
    frame = pd.DataFrame({"a": ["1", "2", "3"], "b": ["4", "5", "6"]})
    with pytest.raises(DataError, match="a, b are several columns that do not hold yes and no"):
        read_target("t", frame, ["a", "b"], continuous=False)


def column(cells, samples=None, continuous=None):
    return read_target_column("t", pd.Series(cells, name="y"), continuous, samples)


def test_a_target_may_be_missing():
    target = column(["10", "2", "none", None, "", "10", "2", "none", "NA"])
    assert target.class_names == ("2", "10", "none")
    assert target.values.tolist() == [1, 0, 2, UNLABELLED, UNLABELLED, 1, 0, 2, UNLABELLED]
    numbers = column(["1,5", "?", "2,25", "3,1"])
    np.testing.assert_equal(numbers.values, [[1.5], [np.nan], [2.25], [3.1]])


def test_a_target_that_rows_of_a_sample_share_counts_once_a_sample():
    samples = np.arange(60) // 3
    assert column([str(k) for k in samples], samples).class_names == ()
    assert len(column([str(k // 2 % 5) for k in samples], samples).class_names) == 5
    assert len(column([str(k % 15) for k in range(60)], samples).class_names) == 15
    with pytest.raises(DataError, match="20 different values among 20 in the column 'y' are not classes"):
        column([f"c{k}" for k in samples], samples)


def test_whole_numbers_that_a_parquet_file_holds_as_floats_are_named_as_whole():
    assert column([1.0, 0.0, np.nan, 1.0, 0.0]).class_names == ("0", "1")


def test_classes_that_differ_in_case_are_said_and_yes_and_no_are_the_same():
    target = column(["Yes", "no", "YES", "NO"])
    assert (target.class_names, target.values.tolist()) == (("no", "yes"), [1, 0, 1, 0])
    assert "differ in case are the same class" in target.notes[0]
    other = column(["Cat", "cat", "dog"] * 3)
    assert other.class_names == ("Cat", "cat", "dog")
    assert "'Cat' and 'cat' in the column 'y' are two classes" in other.notes[0]


@pytest.mark.parametrize("large", [np.inf, 1e300])
def test_floats_that_no_integer_holds_may_be_classes(large):
    cells = pd.Series([1.0, large] * 5, name="x")
    assert read_target_column("t.parquet", cells, continuous=False).class_names == ("1.0", str(large))


def test_names_with_values_are_no_labels():
    with pytest.raises(DataError, match="column 't' hold names with values; labels are a list"):
        read_target("t.parquet", pd.DataFrame({"t": [{"a": 1}, {"a": 2}]}), "t")
