"""What a worker process of Ray is given, and where it begins: before torch is imported, and Lightning."""

import math
from typing import Any, NamedTuple

from scripts.cli.deferred_imports import import_without_unused

NUMBER, FAULT, SCORE, PROGRESS, EPOCH = "number", "fault", "score", "progress", "epoch"


class Task(NamedTuple):
    """What a worker is told of a run.

    Attributes:
        words: The words after `holdout fit`.
        folder: The run's folder.
        tested: The checkpoint to test, "best" or "last"; "" tests none.
        calibrated: Whether it is calibrated before.
        threads: CPU threads.
        log: File for what the run prints.
        directory: The working directory of the command.
        monitor: Metric that decides, at each validation, whether the run goes on; "" lets it end by itself.
    """

    words: list[str]
    folder: str
    tested: str
    calibrated: bool
    threads: int
    log: str
    directory: str
    monitor: str


def work(tasks: list[Task], config: dict[str, Any]) -> None:
    """Carry out a task, and tell Ray how far it is; what is imported here serves all later tasks of a worker."""
    from ray import tune

    carry_out = import_without_unused("scripts.study.trial").carry_out
    last: dict[str, Any] = {SCORE: math.nan, EPOCH: 1}

    def report(epoch: int, progress: str, score: float) -> None:
        last.update({SCORE: score, EPOCH: epoch})
        tune.report({PROGRESS: progress, **last})

    fault = carry_out(tasks[config[NUMBER]], report)
    tune.report({FAULT: fault, **last})
