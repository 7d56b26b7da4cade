import pytest

from scripts.study.analysis import analyse
from scripts.study.figures import as_error, draw_curves, draw_factor, draw_learning_curve, draw_points
from scripts.study.options import Options
from tests.scripts.study.test_analysis import ARMS, MIXUP, OPTIONS, PLAIN, runs


def cells(*levels: dict[str, str]):
    results = [
        result
        for level in levels or ({},)
        for arm, values in zip(ARMS, (PLAIN, MIXUP), strict=True)
        for result in runs(arm, values, level)
    ]
    return analyse(results, OPTIONS, "test/accuracy")


def test_every_run_is_a_point() -> None:
    figure = draw_points(cells(), "test/accuracy", "study")
    drawn = [len(line.get_xdata()) for line in figure.axes[0].get_lines() if line.get_marker() == "o"]
    assert drawn == [4, 4]


def test_levels_beyond_the_panels_are_told_of() -> None:
    figure = draw_points(cells(*({"n": str(number)} for number in range(9))), "test/accuracy", "study")
    assert len(figure.axes) == 6
    assert "The first 6 of 9 levels." in str(figure.get_label())


def test_an_arm_without_a_run_leaves_its_place_empty() -> None:
    results = [*runs(ARMS[0], PLAIN), *runs(ARMS[1], [float("nan")] * 4)]
    assert draw_points(analyse(results, OPTIONS, "test/accuracy"), "test/accuracy", "study").axes


@pytest.mark.parametrize(
    ("levels", "drawn"),
    [
        ([{"n": "0.01"}, {"n": "0.1"}, {"n": "1"}], True),
        ([{"n": "relu"}, {"n": "tanh"}], False),
        ([{"n": "1"}], False),
        ([{"n": "1", "m": "2"}, {"n": "2", "m": "2"}], False),
    ],
)
def test_a_factor_is_drawn_if_it_is_one_and_of_numbers(levels, drawn: bool) -> None:
    figure = draw_factor(cells(*levels), "test/accuracy", "study")
    assert (figure is not None) == drawn
    if figure is not None:
        assert figure.axes[0].get_xscale() == "log"


def test_curves_reach_as_far_as_half_of_the_runs() -> None:
    long, short = [(float(epoch), 1 / epoch) for epoch in range(1, 9)], [(1.0, 1.0), (2.0, 0.6)]
    figure = draw_curves({("plain",): [long, short, short]}, "val/loss", "study")
    (line,) = figure.axes[0].get_lines()
    assert list(line.get_xdata()) == [1.0, 2.0]
    assert list(line.get_ydata()) == pytest.approx([1.0, (0.5 + 0.6 + 0.6) / 3])
    assert draw_curves({}, "val/loss", "study") is None


def test_a_learning_curve_goes_beyond_the_data() -> None:
    errors = {size: [2 * size**-0.5 * factor for factor in (0.9, 1.0, 1.1)] for size in (100.0, 1000.0, 10000.0)}
    figure = draw_learning_curve({"plain": errors}, "error", "study")
    reached = max(max(line.get_xdata()) for line in figure.axes[0].get_lines())
    assert reached == pytest.approx(40000)
    assert draw_learning_curve({"plain": {100.0: [0.1]}}, "error", "study") is None


def test_an_accuracys_error_is_what_it_lacks() -> None:
    name, error = as_error("test/accuracy", "max")
    assert name == "error (1 − test/accuracy)"
    assert error(0.9) == pytest.approx(0.1)
    assert as_error("test/loss", "min")[1](0.3) == 0.3


def test_a_study_of_one_arm_is_drawn_too() -> None:
    options = Options(arms=ARMS[:1], metrics=("test/accuracy",))
    assert draw_points(analyse(runs(ARMS[0], PLAIN), options, "test/accuracy"), "test/accuracy", "study").axes
