"""Metrics are printed in lines that fit a terminal."""

import pytest

from callbacks.printing import metric_lines, number_text, wrapped


def test_short_metrics_share_a_line() -> None:
    assert metric_lines({"loss": 0.25, "accuracy": -0.5}, "gap: ", "+") == ["  gap: loss +0.2500   accuracy -0.5000"]


def test_long_lines_break_between_metrics() -> None:
    metrics = {f"val/some-long_metric_{number}": number / 7 for number in range(7)}
    lines = metric_lines(metrics)
    assert len(lines) == 4
    assert max(map(len, lines)) <= 80
    assert all(line.startswith("  val/") for line in lines)
    pairs = [pair for line in lines for pair in line.strip().split("   ")]
    assert pairs == [f"{name} {value:.4f}" for name, value in metrics.items()]


def test_no_metrics_no_lines() -> None:
    assert metric_lines({}, "gap: ") == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0000"),
        (0.98765, "0.9877"),
        (-12.5, "-12.5000"),
        (42445.8495, "42445.8"),
        (2735594672.5517, "2.736e+09"),
        (0.0000123456, "1.235e-05"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_a_number_has_the_digits_worth_reading_whatever_its_size(value: float, text: str) -> None:
    assert number_text(value) == text
    assert number_text(value, "+").lstrip("+") == text


def test_a_long_line_is_wrapped_for_a_terminal_alone(monkeypatch) -> None:
    text = f"data   {' '.join(['word'] * 20)}"
    assert wrapped(text, indent=7) == [text]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    first, second = wrapped(text, indent=7)
    assert len(first) <= 80
    assert second.startswith("       word")
