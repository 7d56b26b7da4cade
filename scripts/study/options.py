"""What a study is to compare, as the user asks for it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts.study.search_space import Space
from scripts.study.sources import DEFAULT_SOURCES

PLAIN = "plain"
MOST_SEEDS = 1000  # of a comparison; a search has the next
ARM_NAME = re.compile(r"[A-Za-z0-9_+.-]+")  # a part of the names of its runs' folders


@dataclass(frozen=True)
class Arm:
    """One of the things that a study compares.

    Attributes:
        name: Its name.
        words: What it adds to the words that all arms share.
        tested: Which checkpoint of its runs is tested, "best" or "last".
        calibrated: Whether that checkpoint is calibrated on the validation part before the test.
        search: The settings that are searched in it.
    """

    name: str
    words: tuple[str, ...] = ()
    tested: str = "best"
    calibrated: bool = False
    search: Mapping[str, Space] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    """A study, as the user asks for it.

    Attributes:
        name: The study's name; "" for that of the recipe.
        words: Words of `holdout fit` that all runs share.
        arms: What is compared; the others are compared with the first.
        vary: Values of each setting that is varied; every combination is a level of comparison.
        seeds: Number of seeds.
        folds: Number of folds, each of which is validated on once; None for a single validation part.
        sources: What differs from seed to seed.
        apart: Whether each source is also varied alone.
        trials: Number of points that a search tries in each arm; 0 without a search.
        asha: Whether a search ends unpromising trials early.
        metrics: What is compared; empty for the main ones of the task.
        difference: The difference worth finding, for the number of seeds that it needs; None takes the one seen.
        studies_dir: Folder of all studies.
        parallel: Number of runs at a time; None for as many as there are cores for.
        threads: CPU threads of a run.
        gpus_per_run: GPUs of a run, or a fraction of one; None for one if there are any.
        retries: How often a run that crashes is started again.
        address: A Ray cluster's address; "" runs on this machine alone.
        resume: Whether to go on with a study that has begun.
    """

    name: str = ""
    words: tuple[str, ...] = ()
    arms: tuple[Arm, ...] = (Arm(PLAIN),)
    vary: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seeds: int = 5
    folds: int | None = None
    sources: tuple[str, ...] = DEFAULT_SOURCES
    apart: bool = False
    trials: int = 0
    asha: bool = False
    metrics: tuple[str, ...] = ()
    difference: float | None = None
    studies_dir: Path = Path("studies")
    parallel: int | None = None
    threads: int = 1
    gpus_per_run: float | None = None
    retries: int = 2
    address: str = ""
    resume: bool = False
