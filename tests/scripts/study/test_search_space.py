import pytest

from scripts.cli.errors import UsageError
from scripts.study.search_space import draw, read_space

SPACES = {
    "lr": read_space("lr", "log:1e-4:1e-1"),
    "layers": read_space("layers", "int:1:8"),
    "norm": read_space("norm", "choice:batch,none"),
}


def test_points_lie_in_their_spaces_and_are_the_same_again() -> None:
    points = draw(SPACES, 16, seed=3)
    assert len(points) == 16
    for point in points:
        assert 1e-4 <= float(point["lr"]) <= 1e-1
        assert int(point["layers"]) in range(1, 9)
        assert point["norm"] in ("batch", "none")
    assert draw(SPACES, 16, seed=3) == points
    assert draw(SPACES, 16, seed=4) != points


def test_the_first_points_of_a_longer_search_are_those_of_a_shorter_one() -> None:
    assert draw(SPACES, 16, seed=0)[:5] == draw(SPACES, 5, seed=0)


def test_points_spread_evenly_on_a_log_scale() -> None:
    points = draw({"lr": SPACES["lr"]}, 32, seed=0)
    decades = [sum(10**-power <= float(point["lr"]) < 10 ** (1 - power) for point in points) for power in (4, 3, 2)]
    assert min(decades) >= 9


def test_choices_alone_are_each_tried_once() -> None:
    spaces = {"a": read_space("a", "choice:1,2,3"), "b": read_space("b", "choice:x,y")}
    points = draw(spaces, 20, seed=0)
    assert len(points) == 6
    assert len({tuple(point.values()) for point in points}) == 6


@pytest.mark.parametrize("text", ["log:1e-4:1e-1", "uniform:0:0.1234567", "int:1:1000000", "choice:a,b"])
def test_a_space_is_written_as_it_is_read(text: str) -> None:
    space = read_space("key", text)
    assert read_space("key", space.text) == space


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lgo:1:2", "did you mean log"),
        ("0.1", "give log:"),
        ("log:0:1", "above 0"),
        ("uniform:1:1", "below the second"),
        ("uniform:1", "two ends"),
        ("int:1.5:3", "two ends"),
        ("uniform:a:b", "two ends"),
        ("choice:a", "two values"),
        ("choice:a,a", "two values"),
        ("log:nan:1", "below the second"),
        ("uniform:0:inf", "below the second"),
    ],
)
def test_what_is_no_space_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_space("lr", text)
