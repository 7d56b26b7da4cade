"""Columns that are no features are named for what they are, and honest columns are left alone."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine

from datamodules.tables.columns import Column
from datamodules.tables.suspects import reason_to_leave_out, tells_class, tells_number

ROWS = 60
RANDOM = np.random.default_rng(0)


def column(values, name="x"):
    values = np.asarray(values)
    if values.dtype == object:
        return Column(name, "category", values)
    return Column(name, "number", values.astype(float), bool((values == np.round(values)).all()))


def texts(*words):
    return np.array(words * (ROWS // len(words)), dtype=object)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (column(np.ones(ROWS)), "is constant"),
        (column(texts("a")), "is constant"),
        (column(np.full(ROWS, np.nan)), "is empty"),
        (column(np.arange(ROWS)), "counts the rows"),
        (column(RANDOM.permutation(ROWS) + 1), "counts the rows"),
        (column(1000 + 7 * np.arange(ROWS)), "counts the rows"),
        (column(RANDOM.normal(size=ROWS), name=""), "has no name"),
        (column(RANDOM.normal(size=ROWS), name="Unnamed: 0"), "has no name"),
        (column(np.array([f"patient {k}" for k in range(ROWS)], dtype=object)), "nearly as many texts as rows"),
    ],
)
def test_what_counts_or_names_rows_is_left_out(found, reason):
    assert reason in reason_to_leave_out(found)


@pytest.mark.parametrize(
    "found",
    [
        column(RANDOM.normal(size=ROWS)),
        column(RANDOM.integers(0, 10**6, ROWS)),
        column(RANDOM.integers(0, 5, ROWS)),
        column(texts("a", "b", "c")),
        column(np.where(np.arange(ROWS) % 7 == 0, np.nan, 1.0)),
    ],
)
def test_what_a_network_can_learn_from_stays(found):
    assert reason_to_leave_out(found) is None


LABELS = np.repeat([0, 1, 2], ROWS // 3)


@pytest.mark.parametrize(
    "values",
    [
        np.array(["a", "b", "c"], dtype=object)[LABELS],
        np.array([7.0, 3.0, 5.0])[LABELS],
        LABELS * 100 + RANDOM.random(ROWS),
    ],
)
def test_an_answer_in_disguise_is_told(values):
    order = RANDOM.permutation(ROWS)
    assert tells_class(column(values[order]), LABELS[order])


def test_a_column_that_errs_once_is_not_taken_for_the_answer():
    values = np.array(["a", "b", "c"], dtype=object)[LABELS]
    values[0] = "b"
    assert not tells_class(column(values), LABELS)


@pytest.mark.parametrize("load", [load_breast_cancer, load_iris, load_wine])
def test_real_measures_are_not_taken_for_answers(load):
    inputs, labels = load(return_X_y=True)
    assert not any(tells_class(column(values), labels) for values in inputs.T)
    assert all(reason_to_leave_out(column(values)) is None for values in inputs.T)


def test_a_target_in_another_unit_is_told_and_a_mere_cause_is_not():
    inputs, targets = load_diabetes(return_X_y=True)
    assert tells_number(column(targets * 2.54 + 32), targets)
    assert not any(tells_number(column(values), targets) for values in inputs.T)
