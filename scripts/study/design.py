"""The runs of a study: every arm at every level with every seed, so that runs of two arms come in pairs."""

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.study.options import MOST_SEEDS, Arm, Options
from scripts.study.search_space import draw
from scripts.study.sources import SOURCES, SPLIT, TOGETHER, seed_flags

LONGEST_NAME = 150  # characters of a run's name, without its seed


@dataclass(frozen=True)
class PlannedRun:
    """A run that a study makes.

    Attributes:
        name: Its name, and its folder's below that of the study's runs.
        arm: Its arm.
        level: The value of each setting that the study varies.
        words: The words after `holdout fit`, without its name and folder.
        seed: Number of its seed, from 0.
        fold: The fold that it is validated on, if there are folds.
        varied: The source that its seed varies alone, or `TOGETHER`.
        trial: Its number within a search, None outside one.
        point: The searched values.
        split: Number of the seed whose split it is made on, of a trial where each seed has one of its own.
    """

    name: str
    arm: Arm
    level: Mapping[str, str]
    words: tuple[str, ...]
    seed: int = 0
    fold: int | None = None
    varied: str = TOGETHER
    trial: int | None = None
    point: Mapping[str, str] = field(default_factory=dict)
    split: int | None = None

    @property
    def pair(self) -> tuple[Any, ...]:
        """What it shares with the runs of other arms that it is compared with."""
        return (*self.level.values(), self.varied, self.fold, self.seed)

    @property
    def cell(self) -> tuple[str, ...]:
        """Its arm and its level: what runs that differ in their seeds alone share."""
        return (self.arm.name, *self.level.values())

    @property
    def choice(self) -> tuple[str, ...]:
        """What a search chooses a point for."""
        return choice_of(self.arm, self.level, self.split)

    def folder(self, study: Path) -> Path:
        """Return the run's folder."""
        return study / ("runs" if self.trial is None else "search") / self.name / "version_0"


def choice_of(arm: Arm, level: Mapping[str, str], split: int | None) -> tuple[str, ...]:
    """Return what a search chooses a point for: an arm, a level, and, where each seed has a split of its own, the seed.

    On another split the search would see samples that this one is tested on.
    """
    return (arm.name, *level.values(), *(() if split is None else (str(split),)))


def short(key: str) -> str:
    """Return the last part of a setting's name."""
    return key.rsplit(".", 1)[-1]


def level_words(level: Mapping[str, str]) -> list[str]:
    """Return a level in words, such as "train_fraction 0.1"."""
    return [f"{short(key)} {value}" for key, value in level.items()]


def levels(options: Options) -> list[dict[str, str]]:
    """Return every combination of the values that are varied."""
    return [dict(zip(options.vary, values, strict=True)) for values in itertools.product(*options.vary.values())]


def comparison(
    options: Options, base: Mapping[str, Mapping[str, int]], found: Mapping[tuple[str, ...], Mapping[str, str]]
) -> list[PlannedRun]:
    """Return the runs that are compared, seed by seed, so that a study that is cut short holds whole pairs.

    Args:
        options: The study.
        base: By arm, the recipe's seed of each source.
        found: The searched values, by arm and level.
    """
    runs: list[PlannedRun] = []
    names: dict[tuple[Any, ...], str] = {}  # of runs that two sources share, as their seeds are the recipe's
    folds = [None] if options.folds is None else range(options.folds)
    for varied, seed, fold in itertools.product(_groups(options), range(options.seeds), folds):
        sources = options.sources if varied == TOGETHER else (varied,)
        for level, arm in itertools.product(levels(options), options.arms):
            split = (seed if SPLIT in sources else 0) if SPLIT in options.sources else None
            point = found.get(choice_of(arm, level, split), {})
            fold_words = (
                () if fold is None else ("--data.split.folds", str(options.folds), "--data.split.fold", str(fold))
            )
            seeds = seed_flags(base[arm.name], sources, seed)
            words = (*options.words, *arm.words, *flags(level), *flags(point), *fold_words, *seeds)
            parts = [varied] * options.apart + [f"fold_{fold}"] * (fold is not None) + [f"seed_{seed}"]
            same = (arm.name, *level.values(), fold, *sorted(_all_seeds(base[arm.name], seeds).items()))
            name = names.setdefault(same, _name(arm, level, parts))
            runs.append(PlannedRun(name, arm, level, words, seed, fold, varied, None, point))
    return runs


def _all_seeds(base: Mapping[str, int], flags: Sequence[str]) -> dict[str, str]:
    """Return the seed of each source, a recipe's where no flag gives another; that of weights only if they have one."""
    of_recipe = {f"--{SOURCES[source]}": str(seed) for source, seed in base.items() if source != "initialization"}
    return of_recipe | dict(zip(flags[::2], flags[1::2], strict=True))


def _groups(options: Options) -> list[str]:
    """Return what varies in each group of runs."""
    return [TOGETHER, *options.sources] if options.apart else [TOGETHER]


def search(options: Options, base: Mapping[str, Mapping[str, int]]) -> list[PlannedRun]:
    """Return the runs of a search: as many for each arm that has something to search, at each level.

    They have a seed that no run of the comparison has, however many are added to it; but where seeds have splits of
    their own, a search is made on each of these.

    Args:
        options: The study.
        base: By arm, the recipe's seed of each source.
    """
    runs = []
    splits = range(options.seeds) if SPLIT in options.sources else [None]
    others = [source for source in options.sources if source != SPLIT]
    for level, arm in itertools.product(levels(options), options.arms):
        points = draw(arm.search, options.trials, seed=0) if arm.search else []
        for split, (number, point) in itertools.product(splits, enumerate(points)):
            seeds = seed_flags(base[arm.name], others, MOST_SEEDS)
            seeds += [] if split is None else [f"--{SOURCES[SPLIT]}", str(base[arm.name][SPLIT] + split)]
            words = (*options.words, *arm.words, *flags(level), *flags(point), *seeds)
            name = _name(arm, level, [*([] if split is None else [f"split_{split}"]), f"trial_{number}"])
            runs.append(PlannedRun(name, arm, level, words, split or 0, None, TOGETHER, number, point, split))
    return runs


def flags(values: Mapping[str, str]) -> Iterator[str]:
    """Yield the words of the command line that set values."""
    for key, value in values.items():
        yield from (f"--{key}", value)


def _name(arm: Arm, level: Mapping[str, str], parts: Sequence[str]) -> str:
    """Return the name of a run; values that a folder's name cannot hold are told apart by their hash."""
    of_level = [f"{short(key)}_{value}" for key, value in level.items()]
    plain = "-".join([arm.name, *of_level])
    name = re.sub(r"[^A-Za-z0-9_+.-]+", "_", plain)[:LONGEST_NAME]
    if name != plain:
        name = f"{name}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"
    return "-".join([name, *parts])
