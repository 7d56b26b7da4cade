"""Runs in groups: those of one group differ in their seed, their fold or the seed of their split alone."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scripts.cli.repetitions import PLACES, REPEATED, without
from scripts.report.formats import mean
from scripts.report.run import Run
from scripts.report.values import flat, inside, text

REPETITION = re.compile(r"(-all)?(-(fold|seed)_\d+)+$")  # the end of a name in a study
IN_A_LABEL = 2  # differing settings that a group is named by


@dataclass
class Group:
    """Runs that differ only in their seed or fold.

    Attributes:
        runs: The runs, in the order given.
        label: A short name that no other group has.
    """

    runs: list[Run]
    label: str

    def values(self, name: str) -> list[float]:
        """Return a metric of the runs that have it."""
        found = [run.measured.get(name) for run in self.runs]
        return [value for value in found if value is not None]

    @property
    def varied(self) -> list[str]:
        """The settings in which the runs differ."""
        return [key for key in REPEATED if len({_at(run.config, key) for run in self.runs}) > 1]


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Return runs in groups; a run whose settings are unknown is a group of its own."""
    found: dict[str, list[Run]] = {}
    for number, run in enumerate(runs):
        found.setdefault(_recipe(run) if run.config else str(number), []).append(run)
    labels = _labels(list(found.values()))
    return [Group(some, label) for some, label in zip(found.values(), labels, strict=True)]


def in_order(groups: Sequence[Group], monitor: str, mode: str | None) -> list[Group]:
    """Return groups by the mean of a metric, the best first, and those without it last."""
    return sorted(groups, key=lambda group: _place(group.values(monitor), mode))


def best_first(runs: Sequence[Run], monitor: str, mode: str | None) -> list[Run]:
    """Return runs by a metric, the best first, and those without it last."""
    return sorted(runs, key=lambda run: _place([run.measured.get(monitor, math.nan)], mode))


def _place(values: list[float], mode: str | None) -> tuple[bool, float]:
    value = mean(values)
    return math.isnan(value), 0.0 if math.isnan(value) else -value if mode == "max" else value


def settings_that_differ(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Return the settings in which runs differ, and what they ran on: by name, a value for each run, "" for none."""
    each = [_facts(run) for run in runs]
    names = dict.fromkeys(name for facts in each for name in facts)
    values = {name: [facts.get(name, "") for facts in each] for name in names}
    return {name: found for name, found in values.items() if len(set(found)) > 1}


def _facts(run: Run) -> dict[str, str]:
    """Return settings, versions and device of a run, all in words."""
    settings = {key: value for key, value in flat(run.config).items() if key not in PLACES}
    environment = {key: run.summary.get(key) for key in ("git_commit", "device", "precision", "threads", "versions")}
    facts = flat({key: value for key, value in environment.items() if value is not None})
    source = text(inside(run.split, "source", "sha256"))
    return settings | facts | ({"content of the data (SHA-256)": source[:16]} if source else {})


def _recipe(run: Run) -> str:
    """Return a run's settings without those that runs of a group may differ in, as a text."""
    return json.dumps(without(run.config, (*REPEATED, *PLACES)), sort_keys=True, default=str)


def _at(config: dict[str, Any], key: str) -> str:
    return flat(config).get(key, "")


def _labels(groups: list[list[Run]]) -> list[str]:
    """Return a label for each group: its run's title or the runs' common name, and what tells equal names apart."""
    names = [runs[0].title if len(runs) == 1 else _common_name(runs) for runs in groups]
    labels = list(names)
    for name in {name for name in names if names.count(name) > 1}:
        alike = [number for number, other in enumerate(names) if other == name]
        firsts = [groups[number][0] for number in alike]
        differing = [
            (key.rsplit(".", 1)[-1], values)
            for key, values in settings_that_differ(firsts).items()
            if key not in REPEATED
        ]
        for place, number in enumerate(alike):
            parts = [f"{key} {values[place] or 'none'}" for key, values in differing[:IN_A_LABEL]]
            labels[number] = f"{name} · {', '.join(parts)}" if parts else name
    seen: dict[str, int] = {}
    for number, label in enumerate(labels):
        seen[label] = seen.get(label, 0) + 1
        if labels.count(label) > 1:
            labels[number] = f"{label} ({seen[label]})"
    return labels


def _common_name(runs: list[Run]) -> str:
    """Return the name that runs have in common, or the first's and how many more."""
    names = list(dict.fromkeys(run.title.rsplit("/", 1)[0] for run in runs))
    without_seeds = {REPETITION.sub("", name) for name in names}
    if len(without_seeds) == 1 and all(without_seeds):
        return without_seeds.pop()
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
