"""Settings that a search tries: spaces, and points in them that Optuna draws."""

import itertools
import math
import random
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from scripts.cli.errors import UsageError
from scripts.cli.flags import did_you_mean

if TYPE_CHECKING:
    import optuna

Kind = Literal["log", "uniform", "int", "choice"]
KINDS: tuple[Kind, ...] = get_args(Kind)
EXAMPLE = "log:1e-4:1e-1, uniform:0:0.9, int:1:8 or choice:a,b,c"


@dataclass(frozen=True)
class Space:
    """The values that a setting may take.

    Attributes:
        kind: "log" and "uniform" are ranges of numbers, "int" of whole ones.
        low: Lower end of a range.
        high: Upper end of a range.
        choices: The values of a "choice".
        text: The space as `--search` takes it.
    """

    kind: Kind
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()
    text: str = ""

    @property
    def examples(self) -> tuple[str, ...]:
        """All values of a choice, or the ends of a range, as words of the command line."""
        return self.choices if self.kind == "choice" else tuple(self.text.split(":")[1:])

    def suggest(self, trial: "optuna.Trial", name: str) -> str:
        """Return a value, as a word of the command line."""
        if self.kind == "choice":
            return str(trial.suggest_categorical(name, self.choices))
        if self.kind == "int":
            return str(trial.suggest_int(name, int(self.low), int(self.high)))
        drawn = trial.suggest_float(name, self.low, self.high, log=self.kind == "log")
        rounded = float(f"{drawn:.4g}")
        return f"{rounded if self.low <= rounded <= self.high else drawn:g}"


def read_space(key: str, text: str) -> Space:
    """Return a space, as `--search` and a study's file write it.

    Raises:
        UsageError: It is not one.
    """
    kind, *ends = text.split(":")
    if kind not in KINDS:
        raise UsageError(f"--search {key}={text}: give {EXAMPLE}{did_you_mean(kind, KINDS)}")
    if kind == "choice":
        choices = tuple(":".join(ends).split(","))
        if len(set(choices)) < 2 or "" in choices:
            raise UsageError(f"--search {key}={text}: a choice needs two values or more, as choice:a,b")
        return Space("choice", choices=choices, text=text)
    try:
        low, high = map(int if kind == "int" else float, ends)
    except ValueError as error:
        raise UsageError(f"--search {key}={text}: {kind} needs two ends, as {kind}:1:8") from error
    if not -math.inf < low < high < math.inf or (kind == "log" and low <= 0):
        above = "; on a log scale both are above 0" if kind == "log" else ""
        raise UsageError(f"--search {key}={text}: the first end must be below the second{above}")
    return Space(kind, low, high, text=text)


def draw(spaces: Mapping[str, Space], count: int, seed: int) -> list[dict[str, str]]:
    """Return points of a quasi-random sequence: spread evenly, and the same whichever trial ends first.

    A sampler that learns from results, such as Optuna's default, proposes other points when trials end in another
    order, so that neither a repeated nor a resumed study would try the same. With as few dimensions as a search inside
    an arm has, a quasi-random one loses little (Bergstra and Bengio, JMLR 2012).

    Args:
        spaces: Spaces by setting.
        count: Number of points; there are fewer if the spaces hold fewer.
        seed: Seed of the sequence.
    """
    choices = [space.choices for space in spaces.values()]
    if all(choices):  # few points: each once
        every = [dict(zip(spaces, values, strict=True)) for values in itertools.product(*choices)]
        return random.Random(seed).sample(every, min(count, len(every)))  # noqa: S311  no secret depends on it
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the sampler is marked experimental
        study = optuna.create_study(sampler=optuna.samplers.QMCSampler(scramble=True, seed=seed))
        points = []
        for _ in range(count + 1):
            trial = study.ask()
            points.append({name: space.suggest(trial, name) for name, space in spaces.items()})
            study.tell(trial, 0.0)
    return points[1:]  # the first is drawn from no sequence: the sampler learns the space from it
