"""A study's run in a worker process of Ray: trained to its end, from wherever it stopped, then tested once."""

import contextlib
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import lightning as L
import torch

from callbacks.lookup import validates_in_fit
from callbacks.monitor import metric_mode
from scripts.cli.errors import UnforeseenError, UsageError
from scripts.cli.jobs import JOBS
from scripts.cli.ledger import RUNS
from scripts.cli.training import run
from scripts.study.results import is_tested
from scripts.study.worker import Task

PAUSE = 10.0  # seconds


class Report(L.Callback):
    """Tells how far a run is, and its score for whoever decides whether it goes on.

    Args:
        monitor: The metric that is the score, or, if lower is better, minus the score; then each validation is told of.
            "" for none; then what is told is at least `PAUSE` apart.
        report: Called with the epoch, the progress in words, and the score.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self, monitor: str, report: Callable[[int, str, float], None]) -> None:
        self.monitor, self.report = monitor, report
        self._told = time.monotonic()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Tell, after a validation in training."""
        if not validates_in_fit(trainer) or (not self.monitor and time.monotonic() < self._told + PAUSE):
            return
        value = trainer.callback_metrics.get(self.monitor)
        if self.monitor and value is None:
            return
        self._told = time.monotonic()
        of = f" of {trainer.max_epochs}" if trainer.max_epochs is not None and trainer.max_epochs > 0 else ""
        sign = 1 if metric_mode(pl_module, self.monitor) == "max" else -1
        epoch = trainer.current_epoch + 1
        self.report(epoch, f"epoch {epoch}{of}", math.nan if value is None else sign * float(value))


def carry_out(task: Task, report: Callable[[int, str, float], None]) -> str:
    """Train and test a run in this process.

    Returns:
        What went wrong by the run's own fault, so that another try would end alike; "" if nothing did.

    Raises:
        Exception: Something else went wrong.
    """
    os.chdir(task.directory)
    if task.directory not in sys.path:
        sys.path.append(task.directory)  # a recipe may name a class in a file there
    folder = Path(task.folder)
    torch.set_num_threads(task.threads)
    with _printing_to(Path(task.log)):
        try:
            if not (folder / "summary.json").is_file():
                sys.argv = ["holdout", "fit", *task.words]  # the command, as the run's summary tells it
                run(JOBS["fit"], [*task.words, "--ckpt_path", "auto"], Report(task.monitor, report))
            if not (folder / "summary.json").is_file():
                return f"its training was not kept in {folder}; see {task.log}"
            if task.tested and not is_tested(folder, task.tested):
                checkpoint = folder / "checkpoints" / f"{task.tested}.ckpt"
                # The user's own words, so that classes in files of theirs are taken as in training.
                words = [*task.words, "--ckpt_path", str(checkpoint), "--runs_dir", str(RUNS)]
                if task.calibrated:
                    run(JOBS["calibrate"], words)
                run(JOBS["test"], words)
        except UnforeseenError:
            traceback.print_exc()
            raise
        except UsageError as error:
            print(f"holdout: error: {error}")
            return str(error)
    return ""


@contextlib.contextmanager
def _printing_to(log: Path) -> Iterator[None]:
    """Append what is printed to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        yield
