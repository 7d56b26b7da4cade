"""What a study's results say: each arm's spread, and its difference to the first arm, at each level."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scripts.study.options import Options
from scripts.study.results import Result
from scripts.study.sources import TOGETHER
from scripts.study.statistics import CONFIDENCE, Comparison, Spread, compare, spread, with_holm

LOWER_IS_BETTER = ("gap/", "memorization/wrong_label")
HIGHER_IS_BETTER = ("memorization/true_label", "memorization/clean_accuracy")
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
        wide: The interval of the mean that holds for all models of the test part at once; None without any.
        comparison: Against the first arm; None of the first arm itself, or without a pair.
    """

    arm: str
    level: Mapping[str, str]
    planned: int
    values: Mapping[tuple[object, ...], float]
    spread: Spread | None
    wide: Spread | None
    comparison: Comparison | None


def analyse(results: Sequence[Result], options: Options, metric: str, models: int) -> list[Cell]:
    """Return every arm at every level.

    Args:
        results: All runs.
        options: The study.
        metric: The metric that is compared.
        models: Number of models that the test part has been read for.
    """
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        if result.run.varied == TOGETHER:
            groups.setdefault((result.run.arm.name, *result.run.level.values()), []).append(result)
    overlap = _overlap(results, metric, options.folds)
    cells = []
    for (name, *level), some in groups.items():
        values = _values(some, metric)
        first = _values(groups[(options.arms[0].name, *level)], metric)
        shared = [pair for pair in values if pair in first]
        comparison = None
        if name != options.arms[0].name and shared:
            pairs = [values[pair] for pair in shared], [first[pair] for pair in shared]
            comparison = compare(*pairs, overlap=overlap, worth=options.difference)
        numbers = list(values.values())
        plain = spread(numbers, overlap=overlap) if numbers else None
        wide = spread(numbers, 1 - (1 - CONFIDENCE) / max(models, 1), overlap) if numbers else None
        cells.append(Cell(name, some[0].run.level, len(some), values, plain, wide, comparison))
    compared = [number for number, cell in enumerate(cells) if cell.comparison is not None]
    corrected = with_holm([one.comparison for one in cells if one.comparison is not None])
    for number, comparison in zip(compared, corrected, strict=True):
        cells[number] = replace(cells[number], comparison=comparison)
    return cells


def _values(results: Sequence[Result], metric: str) -> dict[tuple[object, ...], float]:
    measured = ((result.run.pair, result.metrics.get(metric, math.nan)) for result in results if not result.fault)
    return {pair: value for pair, value in measured if math.isfinite(value)}


def _overlap(results: Sequence[Result], metric: str, folds: int | None) -> float:
    """Return the evaluated samples to the training samples, if others of the runs train on them; else 0."""
    part = "test" if metric.startswith("test/") else "val"
    ended = [result for result in results if not result.fault and result.facts.get("train")]
    varies = len({result.facts.get(f"{part}_hash") for result in ended}) > 1
    if folds and not varies:
        part = "val"  # the models of folds share training samples, whatever they are tested on
    elif not varies:
        return 0.0
    ratios = [result.facts[part] / result.facts["train"] for result in ended if result.facts.get(part)]
    return sum(ratios) / len(ratios) if ratios else 0.0


def direction(metric: str, results: Sequence[Result]) -> str:
    """Return which way a metric is better, "min" or "max"; "" if nothing says so."""
    if metric.startswith(LOWER_IS_BETTER):
        return "min"
    if metric in HIGHER_IS_BETTER:
        return "max"
    name = metric.partition("/")[2]
    return next((result.modes[name] for result in results if name in result.modes), "")


def verdict(comparison: Comparison, better: str) -> str:
    """Return in words what a comparison shows, and no more than that.

    Args:
        comparison: The comparison.
        better: Which way the metric is better, "min", "max" or "" for unknown.
    """
    if comparison.count < 2:
        return "one pair: chance is unknown"
    if math.isnan(comparison.p_value):
        return "every pair differs alike: nothing to test"
    if comparison.adjusted >= SIGNIFICANT:
        return "no difference seen"
    higher = comparison.difference > 0
    if not better:
        return "higher" if higher else "lower"
    return "better" if higher == (better == "max") else "worse"


def all_metrics(results: Sequence[Result], options: Options) -> list[str]:
    """Return the metrics that a summary has: those compared, the gap of the first, and the memorised share."""
    there = {name for result in results for name in result.metrics}
    beside = (f"gap/{options.metrics[0].partition('/')[2]}", "memorization/wrong_label")
    return list(dict.fromkeys((*options.metrics, *(name for name in beside if name in there))))
