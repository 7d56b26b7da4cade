"""Values that float32 cannot tell apart stay apart until they are standardised, or are refused."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datamodules import DataError
from datamodules.normalization import Normalization, channel_statistics
from datamodules.precision import check_precision, narrowest


@given(offset=st.floats(-1e12, 1e12), spread=st.floats(1e-3, 1e6), seed=st.integers(0, 1000))
def test_columns_are_in_float32_only_where_rounding_is_small_beside_their_spread(offset, spread, seed):
    values = offset + spread * torch.randn(200, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    kept = narrowest(values)
    assert (kept.double() - values).abs().max() <= 1e-4 * values.std()
    if abs(offset) < 100 * spread:
        assert kept.dtype == torch.float32


def test_a_constant_column_and_values_beyond_float32():
    assert narrowest(torch.full((5, 1), 0.1, dtype=torch.float64)).dtype == torch.float32
    assert narrowest(torch.tensor([[1e300], [1.0]], dtype=torch.float64)).dtype == torch.float64
    tiny = torch.arange(9, dtype=torch.float64).view(-1, 1) * 1e-46
    assert narrowest(tiny).dtype == torch.float64, "float32 makes zeros of them"


def test_statistics_of_float64_do_not_cancel():
    times = 1.7e9 + 10 * torch.arange(100, dtype=torch.float64).view(-1, 1)
    found = channel_statistics(times, 1.0)
    assert found.mean == pytest.approx([np.mean(times.numpy())], rel=1e-15)
    assert found.std == pytest.approx([np.std(times.numpy())], rel=1e-12)


def test_what_float32_cannot_hold_even_standardised_is_refused_by_name():
    values = torch.arange(100, dtype=torch.float64).view(-1, 1).repeat(1, 2)
    check_precision("f.csv", ["a", "b"], values, Normalization([50.0], [30.0]))
    values[0, 1] = 1e30
    normalization = channel_statistics(values, 1.0)
    with pytest.raises(DataError, match=r"f\.csv: float32 keeps \d+ of 100 different values of b"):
        check_precision("f.csv", ["a", "b"], values, normalization)
    with pytest.raises(DataError, match=r"f\.csv: float32 keeps 2 of 100 different values of b"):
        check_precision("f.csv", ["a", "b"], values.float(), normalization)
    values[0, 1] = 1e300
    with pytest.raises(DataError, match=r"the values reach 1e\+300"):
        channel_statistics(values, 1.0)
