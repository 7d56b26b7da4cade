"""What a study's results say: each arm's spread, and its difference to the first arm, at each level."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scripts.study.options import Options
from scripts.study.results import Result
from scripts.study.sources import TOGETHER
from scripts.study.statistics import CONFIDENCE, Comparison, Spread, compare, spread, with_holm

SIGNIFICANT = 1 - CONFIDENCE


@dataclass(frozen=True)
class Cell:
    """An arm at a level.

    Attributes:
        arm: The arm's name.
        level: The value of each setting that the study varies.
        planned: Number of runs that it was to have.
        values: The metric of each run that has it, by pair.
        spread: Their mean and spread; None without any.
        comparison: Against the first arm; None of the first arm itself, or without a pair.
    """

    arm: str
    level: Mapping[str, str]
    planned: int
    values: Mapping[tuple[object, ...], float]
    spread: Spread | None
    comparison: Comparison | None


Analysis = Mapping[str, Sequence[Cell]]  # arms at levels, by metric


def analyse(results: Sequence[Result], options: Options, metric: str) -> list[Cell]:
    """Return every arm at every level.

    Args:
        results: All runs.
        options: The study.
        metric: The metric that is compared.
    """
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        if result.run.varied == TOGETHER:
            groups.setdefault(result.run.cell, []).append(result)
    worth = options.difference if metric == options.metrics[0] else None
    cells = []
    for (name, *level), some in groups.items():
        baseline = groups[(options.arms[0].name, *level)]
        overlap = _overlap([*some, *baseline], metric)
        values = _values(some, metric)
        comparison = None
        comparable = name != options.arms[0].name and not is_rough_gap(metric, [*some, *baseline])
        if comparable and (pairs := _pairs(some, baseline, metric)):
            own, first = zip(*pairs, strict=True)
            comparison = compare(own, first, overlap=overlap, worth=worth)
        numbers = list(values.values())
        found = spread(numbers, overlap=overlap) if numbers else None
        cells.append(Cell(name, some[0].run.level, len(some), values, found, comparison))
    compared = [number for number, cell in enumerate(cells) if cell.comparison is not None]
    corrected = with_holm([one.comparison for one in cells if one.comparison is not None])
    for number, comparison in zip(compared, corrected, strict=True):
        cells[number] = replace(cells[number], comparison=comparison)
    return cells


def _values(results: Sequence[Result], metric: str) -> dict[tuple[object, ...], float]:
    measured = ((result.run.pair, result.metrics.get(metric, math.nan)) for result in results if not result.fault)
    return {pair: value for pair, value in measured if math.isfinite(value)}


def _pairs(results: Sequence[Result], baseline: Sequence[Result], metric: str) -> list[tuple[float, float]]:
    """Return the values of each pair of runs that are evaluated on the same samples."""
    values = _values(results, metric), _values(baseline, metric)
    samples = [{result.run.pair: result.facts.get("test_part") for result in some} for some in (results, baseline)]
    shared = [pair for pair in values[0] if pair in values[1] and samples[0][pair] == samples[1][pair]]
    return [(values[0][pair], values[1][pair]) for pair in shared]


def _overlap(results: Sequence[Result], metric: str) -> float:
    """Return the evaluated samples to the training samples, if other runs of the level train on them; else 0."""
    part = "test" if metric.startswith("test/") else "val"
    ended = [result.facts for result in results if not result.fault and result.facts.get("train")]
    if len({facts.get(f"{part}_hash") for facts in ended}) < 2:
        return 0.0
    ratios = [facts[part] / facts["train"] for facts in ended if facts.get(part)]
    return sum(ratios) / len(ratios) if ratios else 0.0


def is_rough_gap(metric: str, results: Sequence[Result]) -> bool:
    """Return whether a metric is a gap whose training side was measured during the epoch, with regularization on.

    Regularizers change it in different ways: between arms it says nothing.
    """
    return metric.startswith("gap/") and not all(result.clean_gap for result in results if not result.fault)


def direction(metric: str, results: Sequence[Result]) -> str:
    """Return which way a metric is better, "min" or "max"; "" if nothing says so, or neither way is.

    A gap is small where an arm has learnt little, too.
    """
    part, _, name = metric.partition("/")
    if part == "memorization":
        return "min" if name == "wrong_label" else "max" if name != "neither" else ""
    return "" if part == "gap" else next((result.modes[name] for result in results if name in result.modes), "")


def verdict(cell: Cell, better: str) -> str:
    """Return in words what an arm's comparison shows, and no more than that.

    Args:
        cell: The arm; it has a comparison.
        better: Which way the metric is better, "min", "max" or "" for unknown.
    """
    comparison = cell.comparison
    assert comparison is not None
    missing = f", on {comparison.count} of {cell.planned} pairs" if comparison.count < cell.planned else ""
    if comparison.count < 2:
        return f"one pair: chance is unknown{missing}"
    if math.isnan(comparison.p_value):
        return f"all pairs differ by the same amount: nothing to test{missing}"
    if comparison.adjusted >= SIGNIFICANT:
        return f"no difference seen{missing}"
    higher = comparison.difference > 0
    word = ("better" if higher == (better == "max") else "worse") if better else "higher" if higher else "lower"
    return word + missing


def analyse_all(results: Sequence[Result], options: Options) -> Analysis:
    """Return every arm at every level by metric: those compared, the gap of the first, and the memorised share."""
    there = {name for result in results for name in result.metrics}
    beside = (f"gap/{options.metrics[0].partition('/')[2]}", "memorization/wrong_label")
    metrics = dict.fromkeys((*options.metrics, *(name for name in beside if name in there)))
    return {metric: analyse(results, options, metric) for metric in metrics}
