"""What a suite measures: contenders that take turns, and what is expected of them."""

import gc
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from scripts.benchmarks.machine import IDLE, LoadMeter


@dataclass(frozen=True)
class Target:
    """A bound on one contender's figure, or on its ratio to another's.

    Attributes:
        of: The contender.
        over: The contender that its figure is divided by, round by round; None bounds the figure itself.
        bound: The bound.
        at_least: Whether it is a lower bound.
        share: Share of the rounds that must keep to it; the median is compared by default.
    """

    of: str
    over: str | None
    bound: float
    at_least: bool = False
    share: float | None = None

    def __str__(self) -> str:
        ratio = self.of if self.over is None else f"{self.of} ÷ {self.over}"
        rounds = "" if self.share is None else f" in {100 * self.share:.0f} % of the rounds"
        return f"{ratio} {'≥' if self.at_least else '≤'} {self.bound:g}{rounds}"

    def values(self, measured: Mapping[str, Sequence[float]]) -> list[float]:
        """Return the figure of each round."""
        if self.over is None:
            return list(measured[self.of])
        return [mine / theirs for mine, theirs in zip(measured[self.of], measured[self.over], strict=True)]

    def met(self, values: Sequence[float]) -> bool:
        """Return whether figures keep to the bound."""
        if self.share is None:
            return self._keeps(statistics.median(values))
        return sum(map(self._keeps, values)) >= self.share * len(values)

    def _keeps(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True)
class Contest:
    """Contenders that are measured in turn.

    Attributes:
        title: What is measured, in a line.
        unit: Unit of the figures: "s", "ms", "images/s", "GB".
        contenders: For each name, a function that measures once, given the number of the round, and returns the figure.
        targets: What is expected.
        rounds: Number of rounds, if it is not the one asked for.
        warm_up: Number of rounds before them that do not count.
    """

    title: str
    unit: str
    contenders: Mapping[str, Callable[[int], float]]
    targets: Sequence[Target] = ()
    rounds: int | None = None
    warm_up: int = 1


@dataclass(frozen=True)
class Judgement:
    """Whether a target was met: median, least and greatest figure over the rounds."""

    target: str
    median: float
    least: float
    greatest: float
    met: bool


@dataclass(frozen=True)
class Outcome:
    """What a contest measured.

    Attributes:
        contest: The contest.
        values: The figures of each contender, by round.
        busiest: Name of the other process that used most of a core meanwhile, and how much of it, from 0; None where
            the system does not tell.
    """

    contest: Contest
    values: Mapping[str, list[float]]
    busiest: tuple[str, float] | None = field(default=None)

    @property
    def clean(self) -> bool | None:
        """Whether no other process used more than a tenth of a core; None where the system does not tell."""
        return None if self.busiest is None else self.busiest[1] <= IDLE

    def judged(self) -> list[Judgement]:
        """Return the judgement on each target."""
        found = [(target, target.values(self.values)) for target in self.contest.targets]
        return [Judgement(str(target), *spread(values), target.met(values)) for target, values in found]


def hold(contest: Contest, rounds: int) -> Outcome:
    """Measure the contenders in turn, in the opposite order every other round."""
    values: dict[str, list[float]] = {name: [] for name in contest.contenders}
    count = contest.rounds or rounds
    with LoadMeter() as load:
        for number in range(-contest.warm_up, 0):
            _take_turns(contest, number)
        gc.collect()
        gc.freeze()  # libraries that the warm-up has imported are searched for garbage no more, as in `holdout`
        try:
            for number in range(count):
                for name, figure in _take_turns(contest, number).items():
                    values[name].append(figure)
        finally:
            gc.unfreeze()
    return Outcome(contest, values, load.busiest)


def _take_turns(contest: Contest, number: int) -> dict[str, float]:
    order = list(contest.contenders.items())
    return {name: measure(number) for name, measure in (order if number % 2 == 0 else order[::-1])}


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Return median, least and greatest of the figures that are numbers; NaN if there is none."""
    known = [value for value in values if not math.isnan(value)]
    return (statistics.median(known), min(known), max(known)) if known else (math.nan, math.nan, math.nan)
