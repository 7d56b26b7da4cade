"""The tables of a study."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from scripts.report.formats import MINUS
from scripts.report.tables import Table
from scripts.study.analysis import Cell, verdict
from scripts.study.design import short
from scripts.study.results import Result
from scripts.study.searching import Choice
from scripts.study.sources import TOGETHER
from scripts.study.statistics import Interval, variance_factor, variance_shares

MISSING = "–"
MOST_DECIMALS = 6
FEWEST_PLANNED_BY = 3  # pairs; a deviation of two says next to nothing
Form = Callable[..., str]


def result_table(cells: Sequence[Cell], better: str) -> Table:
    """Return a row for each arm at each level: its spread, and its difference to the first arm.

    Args:
        cells: Arms at levels.
        better: Which way the metric is better, "min", "max" or "".
    """
    heads = ["arm", *_levels(cells), "n", "mean ± standard deviation", "95 % interval"]
    if any(cell.comparison for cell in cells):
        heads += ["verdict", "difference", "95 % interval", "p (Holm)", "effect"]
    form, rows = form_of(cells), []
    for cell in cells:
        found, compared = cell.spread, cell.comparison
        count = str(len(cell.values)) if len(cell.values) == cell.planned else f"{len(cell.values)} of {cell.planned}"
        row = [cell.arm, *cell.level.values(), count]
        if found is None:
            rows.append([*row, "not measured", *[MISSING] * (len(heads) - len(row) - 1)])
            continue
        row += [_mean(form, found.mean, found.deviation), _interval(form, found.interval)]
        if compared is not None:
            row += [verdict(cell, better), form(compared.difference, "+"), _interval(form, compared.interval, "+")]
            row += [_p_value(compared.adjusted), _decimal(compared.effect)]
        rows.append([*row, *[""] * (len(heads) - len(row))])
    return Table(heads, rows)


def in_words(cell: Cell, better: str, form: Form) -> str:
    """Return an arm's mean and deviation, and what its comparison with the first arm shows, as one line.

    Args:
        cell: The arm.
        better: As in `result_table`.
        form: How to write numbers.
    """
    if cell.spread is None:
        return "not measured in any run"
    found, one = _mean(form, cell.spread.mean, cell.spread.deviation), cell.comparison
    if one is None:
        return found
    known = f" ({_interval(form, one.interval, '+')})" if one.count > 1 else ""
    tested = "" if math.isnan(one.adjusted) else f", p {_p_value(one.adjusted)}"
    return f"{found}  {form(one.difference, '+')}{known}{tested}: {verdict(cell, better)}"


def power_table(cells: Sequence[Cell], worth: float | None) -> Table | None:
    """Return what the runs could find: a row for each comparison of three pairs or more; None without one.

    Args:
        cells: Arms at levels.
        worth: The difference worth finding, if there is one for this metric.
    """
    compared = [cell for cell in cells if cell.comparison is not None and cell.comparison.count >= FEWEST_PLANNED_BY]
    heads = ["arm", *_levels(cells), "pairs", "deviation of differences", "bootstrap interval", "p (t-test)"]
    heads += ["detectable difference", *([] if worth is None else [f"pairs needed for {worth:g}"])]
    form, rows = form_of(cells), []
    for cell in compared:
        one = cell.comparison
        assert one is not None
        row = [cell.arm, *cell.level.values(), str(one.count), form(one.deviation)]
        row += [_interval(form, one.resampled, "+"), _p_value(one.p_value), form(one.detectable)]
        needed = "over 10,000" if one.needed is None else f"{one.needed:,}"
        rows.append(row if worth is None else [*row, needed])
    note = (
        "a true difference as large as the detectable one is found in 80 % of studies of this size, by a t-test at 5 % "
        "without Holm's correction; a deviation of a few pairs is itself uncertain"
    )
    return Table(heads, rows, note) if rows else None


def source_table(results: Sequence[Result], metric: str) -> Table | None:
    """Return the variance that each source gives a result, for each arm at each level; None if none was varied apart.

    Each source varies while the others stay as in the recipe (Bouthillier et al., arXiv 2103.03098).
    """
    groups: dict[tuple[str, ...], dict[str, list[float]]] = {}
    for result in results:
        value = result.metrics.get(metric)
        if not result.fault and value is not None and math.isfinite(value):
            groups.setdefault(result.run.cell, {}).setdefault(result.run.varied, []).append(value)
    form = number_form([float(np.std(some, ddof=1)) for of in groups.values() for some in of.values() if len(some) > 1])
    rows = []
    for key, values in groups.items():
        apart = {source: some for source, some in values.items() if source != TOGETHER and len(some) > 1}
        for source, (deviation, share) in variance_shares(apart).items():
            shown = MISSING if math.isnan(share) else f"{100 * share:.0f} %"
            rows.append([*key, source, str(len(apart[source])), form(deviation), shown])
        if apart and len(values.get(TOGETHER, [])) > 1:
            together = float(np.std(values[TOGETHER], ddof=1))
            rows.append([*key, "all together", str(len(values[TOGETHER])), form(together), ""])
    levels = list(dict.fromkeys(name for result in results for name in result.run.level))
    heads = ["arm", *map(short, levels), "what varied", "n", "standard deviation", "share of the variance"]
    fewest = min((len(some) for of in groups.values() for some in of.values() if len(some) > 1), default=2)
    note = (
        f"shares are of the sum of the sources' variances, each alone; a variance of {fewest} runs is uncertain: its "
        f"95 % interval reaches up to {variance_factor(fewest):,.0f} times it"
    )
    return Table(heads, rows, note) if rows else None


def search_table(found: Mapping[Choice, Mapping[str, str]], levels: Sequence[str], trials: int) -> Table | None:
    """Return the point that a search chose, for each arm at each level; None without a search."""
    rows = [[*choice, ", ".join(f"{key} {value}" for key, value in point.items())] for choice, point in found.items()]
    note = f"each the best of {trials} by validation, trained with a seed that no run of the comparison has"
    several = any(len(choice) > 1 + len(levels) for choice in found)
    heads = ["arm", *map(short, levels), *["split of seed"] * several, "chosen"]
    return Table(heads, rows, note) if rows else None


def number_form(deviations: Sequence[float]) -> Form:
    """Return how to write the numbers of a table: with two digits of their least standard deviation."""
    known = [value for value in deviations if 0 < value < math.inf]
    decimals = min(max(1 - math.floor(math.log10(min(known))), 0), MOST_DECIMALS) if known else 4

    def form(value: float, sign: str = "") -> str:
        return MISSING if math.isnan(value) else f"{value:{sign}.{decimals}f}".replace("-", MINUS)

    return form


def form_of(cells: Sequence[Cell]) -> Form:
    """Return how to write the numbers of arms at levels."""
    return number_form([cell.spread.deviation for cell in cells if cell.spread is not None])


def _interval(form: Form, ends: Interval, sign: str = "") -> str:
    return MISSING if math.isnan(ends[0]) else f"{form(ends[0], sign)} to {form(ends[1], sign)}"


def _levels(cells: Sequence[Cell]) -> list[str]:
    return [short(key) for key in cells[0].level] if cells else []


def _mean(form: Form, mean: float, deviation: float) -> str:
    return form(mean) if math.isnan(deviation) else f"{form(mean)} ± {form(deviation)}"


def _decimal(value: float) -> str:
    return MISSING if math.isnan(value) else f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


def _p_value(value: float) -> str:
    return MISSING if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"
