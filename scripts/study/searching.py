"""What a search found: for each arm at each level the point with the best validation."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from callbacks.printing import number_text, say
from scripts.cli.errors import UsageError
from scripts.cli.result_files import write_rows
from scripts.study.results import Result

Choice = tuple[str, ...]  # an arm, a level, and the seed where it has a split of its own


def choose(trials: Sequence[Result], score: str) -> dict[Choice, Mapping[str, str]]:
    """Return the best point of each arm at each level, by validation; print them.

    Args:
        trials: All trials of the search.
        score: The metric of validation that decides.

    Raises:
        UsageError: An arm has no trial that ended well.
    """
    groups: dict[Choice, list[Result]] = {}
    for trial in trials:
        groups.setdefault(trial.run.choice, []).append(trial)
    found = {}
    for choice, some in groups.items():
        best = max(some, key=lambda trial: _score(trial, score))
        if _score(best, score) == -math.inf:
            unmeasured = f"none measured {score}, or nothing says which way it is better"
            reason = next((trial.fault for trial in some if trial.fault), unmeasured)
            raise UsageError(f"arm {choice[0]}: no trial of its search ended well: {reason}")
        found[choice] = best.run.point
        point = ", ".join(f"{key} {value}" for key, value in best.run.point.items())
        say(f"found  {' '.join(choice)}: {point} ({score} {number_text(best.metrics[score])}, best of {len(some)})")
    return found


def _score(trial: Result, score: str) -> float:
    value, mode = trial.metrics.get(score, math.nan), trial.modes.get(score.removeprefix("val/"))
    if math.isnan(value) or mode is None:
        return -math.inf
    return value if mode == "max" else -value


def write_trials(path: Path, trials: Sequence[Result], score: str) -> None:
    """Write a row a trial as CSV."""
    keys = list(dict.fromkeys(key for trial in trials for key in trial.run.point))
    levels = list(dict.fromkeys(key for trial in trials for key in trial.run.level))
    rows = [["arm", *levels, "trial", *keys, score, "epochs", "status"]]
    for trial in trials:
        run, value = trial.run, trial.metrics.get(score)
        rows.append(
            [run.arm.name, *(run.level[key] for key in levels), str(run.trial)]
            + [run.point.get(key, "") for key in keys]
            + ["" if one is None else f"{one:g}" for one in (value, trial.epochs)]
            + [trial.fault or "done"]
        )
    write_rows(path, rows)
