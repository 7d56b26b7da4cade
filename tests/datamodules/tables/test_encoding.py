"""Encodings are scikit-learn's transformers, fitted on the training part, in plain values."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, RobustScaler, StandardScaler

from datamodules.tables.columns import Column
from datamodules.tables.encoding import MAX_VALUES, as_tensor, encode, fit_encoding, wide_blocks

NUMBERS = st.lists(
    st.integers(-(10**9), 10**9).map(lambda number: number / 1000) | st.just(float("nan")), min_size=4, max_size=40
)


def encoded(column, train, scaling="standard"):
    encoding = fit_encoding(column, np.array(train), scaling)
    raw = torch.from_numpy(encoding.codes(column))[:, None]
    return encoding, encode(raw, as_tensor([encoding])).numpy()


@pytest.mark.parametrize(("scaling", "scaler"), [("standard", StandardScaler), ("robust", RobustScaler)])
@given(numbers=NUMBERS)
def test_numbers_are_what_scikit_learns_pipeline_makes_of_them(scaling, scaler, numbers):
    values = np.array(numbers)
    train = np.arange(len(values) // 2)
    if np.isnan(values[train]).all():
        return
    _, found = encoded(Column("x", "number", values), train, scaling)
    imputer = SimpleImputer(strategy="median").fit(values[train, None])
    scale = scaler().fit(imputer.transform(values[train, None]))
    expected = scale.transform(imputer.transform(values[:, None]))
    np.testing.assert_allclose(found[:, :1], expected, rtol=1e-5, atol=1e-5)
    assert found.shape[1] == 1 + np.isnan(values[train]).any()


@given(st.lists(st.sampled_from(["a", "b", "c", "d, e", None]), min_size=4, max_size=40))
def test_categories_are_what_scikit_learns_one_hot_encoder_makes_of_them(texts):
    values = np.array(texts, dtype=object)
    train = np.arange(len(values) // 2)
    _, found = encoded(Column("x", "category", values), train)
    plain = np.array(["" if text is None else text for text in texts])[:, None]
    expected = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(plain[train]).transform(plain)
    np.testing.assert_array_equal(found, expected)


def test_times_ten_seconds_apart_stay_apart():
    seconds = 1.7e9 + 10 * np.arange(100.0)
    _, found = encoded(Column("time", "number", seconds), range(100))
    assert len(np.unique(found)) == 100
    assert found.std() == pytest.approx(1)


def test_a_gap_is_the_median_and_has_an_input_of_its_own():
    _, found = encoded(Column("x", "number", np.array([1.0, 2.0, 9.0, np.nan])), range(4))
    assert found[3, 0] == found[1, 0]
    assert found[:, 1].tolist() == [0, 0, 0, 1]


def test_a_gap_that_training_did_not_see_is_filled_all_the_same():
    _, found = encoded(Column("x", "number", np.array([1.0, 3.0, np.nan])), range(2))
    assert found.tolist() == [[-1], [1], [0]]


def test_a_column_that_is_empty_in_training_says_nothing():
    _, found = encoded(Column("x", "number", np.array([np.nan, np.nan, 5.0])), range(2))
    assert np.isfinite(found).all()


def test_a_value_that_training_did_not_see_is_none_of_those_it_saw():
    _, found = encoded(Column("x", "category", np.array(["a", "b", "z"], dtype=object)), range(2))
    assert found.tolist() == [[1, 0], [0, 1], [0, 0]]


def test_of_too_many_values_the_rarest_count_as_unseen():
    values = np.array([f"v{k}" for k in range(MAX_VALUES + 5)] + ["often"] * 9, dtype=object)
    encoding, found = encoded(Column("x", "category", values), range(len(values)))
    assert len(encoding.values) == MAX_VALUES
    assert found[-1].sum() == 1


def test_categories_of_many_values_are_told_to_the_network():
    few = Column("few", "category", np.array(["a", "b"] * 30, dtype=object))
    number = Column("number", "number", np.arange(60.0))
    many = Column("many", "category", np.array([f"v{k}" for k in range(60)], dtype=object))
    encodings = [fit_encoding(column, np.arange(60), "standard") for column in (few, number, many)]
    assert wide_blocks(encodings) == [(3, 60)]


def test_an_encoding_is_plain_values():
    encoding, _ = encoded(Column("x", "category", np.array(["a", None], dtype=object)), range(2))
    assert json.loads(json.dumps(encoding.plain()))["values"] == ["", "a"]
