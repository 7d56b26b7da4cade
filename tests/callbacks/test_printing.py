"""Metrics are printed in lines that fit a terminal."""

from callbacks.printing import metric_lines


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
