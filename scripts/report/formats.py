"""Numbers as the report shows them."""

import math
from collections.abc import Sequence

import numpy as np

MINUS = "\N{MINUS SIGN}"


def metric(value: float | None, sign: str = "") -> str:
    """Return a metric with four decimals, or a few digits where that says more; "" for none."""
    if value is None:
        return ""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{MINUS if value < 0 else ''}∞"
    form = ".4f" if _is_short(value) else ".2g" if abs(value) < 1 else ".4g"
    return f"{value:{sign}{form}}".replace("-", MINUS)


def _is_short(value: float) -> bool:
    """Return whether four decimals say enough of a value."""
    return value == 0 or 1e-3 <= abs(value) < 1e4


def spread(values: Sequence[float]) -> str:
    """Return the mean of values, and their sample standard deviation if there are several."""
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return metric(mean(values)) if values else ""
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = float(np.std(values, ddof=1))
    shown = f"{deviation:.4f}" if _is_short(mean(values)) and deviation < 1 else metric(deviation)
    return f"{metric(mean(values))} ± {shown}"


def mean(values: Sequence[float]) -> float:
    """Return the mean of values, NaN without any."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.mean(values)) if values else math.nan


def count(value: float | None) -> str:
    """Return a whole number, "" for none."""
    if value is None:
        return ""
    return f"{value:,.0f}" if math.isfinite(value) else str(value)


def decimal(value: float | None) -> str:
    """Return a number with at most two decimals, "" for none."""
    if value is None:
        return ""
    return f"{round(value, 2):g}" if math.isfinite(value) else str(value)


def duration(seconds: float | None) -> str:
    """Return a time in the units a person would use, "" for none."""
    if seconds is None or not math.isfinite(seconds):
        return ""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def size(count_of_bytes: int) -> str:
    """Return a number of bytes in kB or MB."""
    return f"{count_of_bytes / 1e6:.1f} MB" if count_of_bytes >= 1e6 else f"{math.ceil(count_of_bytes / 1e3)} kB"
