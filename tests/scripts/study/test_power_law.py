import numpy as np
import pytest

from scripts.study.power_law import extrapolate, fit_power_law

SIZES = np.array([100.0, 300.0, 1000.0, 3000.0, 10000.0])


@pytest.mark.parametrize(("floor", "scale", "exponent"), [(0.0, 2.0, 0.5), (0.02, 3.0, 0.7)])
def test_a_power_law_is_found_again(floor: float, scale: float, exponent: float) -> None:
    found = fit_power_law(SIZES, floor + scale * SIZES**-exponent)
    assert found is not None
    assert (found.floor, found.scale, found.exponent) == pytest.approx((floor, scale, exponent), rel=0.02, abs=1e-4)


def test_the_interval_holds_the_truth_and_grows_beyond_the_data() -> None:
    random = np.random.default_rng(0)
    runs = {size: list((2 * size**-0.5) * np.exp(random.normal(0, 0.05, 5))) for size in SIZES[:4]}
    found = extrapolate(runs, np.array([3000.0, 100000.0]))
    assert found is not None
    errors, intervals = found
    for size, (low, high) in zip((3000, 100000), intervals, strict=True):
        assert low <= 2 * size**-0.5 <= high
    assert errors[1] < errors[0]
    relative = [(high - low) / error for error, (low, high) in zip(errors, intervals, strict=True)]
    assert relative[1] > relative[0]


@pytest.mark.parametrize(
    "runs",
    [{100.0: [0.2], 1000.0: [0.1]}, {100.0: [0.1], 300.0: [0.2], 1000.0: [0.3]}, {1.0: [0.0], 2.0: [0.0], 3.0: [0.0]}],
)
def test_there_is_none_where_there_is_no_law(runs: dict[float, list[float]]) -> None:
    assert extrapolate(runs, np.array([10.0])) is None
