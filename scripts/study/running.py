"""The runs of a study, made and reported as they end."""

import itertools
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from tqdm import tqdm

from callbacks.printing import number_text, say
from scripts.cli.errors import UsageError
from scripts.cli.flags import did_you_mean
from scripts.study.design import PlannedRun
from scripts.study.engine import Resources, cluster, resources_for, run_all
from scripts.study.options import Options
from scripts.study.results import STOPPED, STOPPED_FILE, Result, read_result
from scripts.study.worker import Task

PAUSE = 300.0  # seconds without a line, where there is no terminal


class Runner:
    """Makes runs that are not finished, and prints a line for each that ends.

    Args:
        folder: The study's folder.
        options: The study.
        stack: Closes the cluster, which is started when there is something to do.

    Attributes:
        faults: Why runs failed, by name.
    """

    def __init__(self, folder: Path, options: Options, stack: ExitStack) -> None:
        self.folder, self.options, self.stack = folder, options, stack
        self.faults: dict[str, str] = {}
        self._resources: Resources | None = None

    def read(self, runs: Sequence[PlannedRun]) -> list[Result]:
        """Return what runs have measured, or why they have not."""
        return [read_result(run, self.folder, self.faults.get(run.name, "")) for run in runs]

    def make(self, runs: Sequence[PlannedRun], what: str) -> None:
        """Make those runs that are not finished."""
        left = self._left(runs, what)
        if left:
            self._make(left, [self._task(run) for run in left])

    def _left(self, runs: Sequence[PlannedRun], what: str) -> list[PlannedRun]:
        """Return those runs that are not finished, and say how many there are, and how many at a time."""
        runs = list({run.name: run for run in runs}.values())
        left = [run for run in runs if read_result(run, self.folder).fault not in ("", STOPPED)]
        kept = f", {len(runs) - len(left)} of them finished already" if len(left) < len(runs) else ""
        if left and self._resources is None:
            self._resources = self._start()
        at_once = f", {min(self._resources.parallel, len(left))} at a time" if left and self._resources else ""
        say(f"{what}: {len(runs)} run{'s' * (len(runs) > 1)}{kept}{at_once}")
        return left

    def search(self, runs: Sequence[PlannedRun], score: str) -> None:
        """Make the trials of a search, ending unpromising ones early among those of one arm at one level.

        Args:
            runs: The trials.
            score: The metric that they are chosen by.
        """
        left = self._left(runs, "search")
        for _, group in itertools.groupby(left, key=lambda run: run.choice):
            some = list(group)
            self._make(some, [self._task(run, score) for run in some], halving=True)

    def _make(self, runs: Sequence[PlannedRun], tasks: Sequence[Task], *, halving: bool = False) -> None:
        assert self._resources is not None
        metrics = self.options.metrics
        validated = [f"val/{name.partition('/')[2]}" for name in metrics if name.startswith("test/")]
        watch = Watch(self, runs, metrics if runs[0].trial is None else validated)
        with watch.bar:
            run_all(tasks, self._resources, watch, self.folder / ".ray", halving=halving)
        if watch.unmeasured:
            raise UsageError(watch.unmeasured)

    def _start(self) -> Resources:
        options = self.options
        self.stack.enter_context(cluster(options.address))
        return resources_for(options.parallel, options.threads, options.gpus_per_run, options.retries)

    def _task(self, run: PlannedRun, score: str = "") -> Task:
        folder = run.folder(self.folder)
        words = [*run.words, "--name", run.name, "--runs_dir", str(folder.parents[1])]
        log = self.folder / "logs" / f"{run.name}.txt"
        return Task(
            words=words,
            folder=str(folder),
            tested=run.arm.tested if run.trial is None else "",
            calibrated=run.arm.calibrated,
            threads=self.options.threads,
            log=str(log),
            directory=str(Path.cwd()),
            monitor=score,
        )


def unmeasured(metric: str, results: Sequence[Result]) -> str:
    """Return a line if a metric was measured by none of the runs that have ended, "" if one has it."""
    ended = [result for result in results if not result.fault]
    if not ended or any(metric in result.metrics for result in ended):
        return ""
    part, near = metric.partition("/")[0], did_you_mean(metric, ended[0].metrics)
    measuring = f"; -c configs/callbacks/{part}.yaml measures it" if part == "memorization" else ""
    return (
        f"--metric {metric} is not measured{near}{measuring}; with another --metric, --resume goes on and keeps what "
        f"is trained"
    )


class Watch:
    """Prints a line for each run that ends, and how far the others are: at the bottom of a terminal, or now and then.

    Args:
        runner: Whose runs they are.
        runs: The runs, in the order of their tasks.
        metrics: Metrics to print of a run; those that it has.
    """

    def __init__(self, runner: Runner, runs: Sequence[PlannedRun], metrics: Sequence[str]) -> None:
        self.runner, self.runs, self.metrics = runner, runs, metrics
        self.unmeasured = ""  # why the first result shows that there is nothing to compare
        self.bar = tqdm(total=len(runs), unit="run", disable=None, dynamic_ncols=True, leave=False)
        self._running: dict[int, str] = {}
        self._count, self._begin = 0, time.monotonic()
        self._said = self._begin

    @property
    def stop(self) -> bool:
        """Whether to end the other runs."""
        return bool(self.unmeasured)

    def progress(self, number: int, progress: str) -> None:
        """Show how far the runs are."""
        self._running[number] = progress
        shown = ", ".join(f"{self.runs[one].name} {how_far}" for one, how_far in self._running.items())
        self.bar.set_postfix_str(shown)
        if self.bar.disable and time.monotonic() > self._said + PAUSE:
            self._say(f"running: {shown}")

    def ended(self, number: int, fault: str) -> None:
        """Print the result of a run, and how much time is left."""
        if self.stop:
            return
        run, faults = self.runs[number], self.runner.faults
        self._running.pop(number, None)
        faults.pop(run.name, None)
        if fault == STOPPED:
            of_run = run.folder(self.runner.folder).parent  # the run itself may have kept nothing
            of_run.mkdir(parents=True, exist_ok=True)
            (of_run / STOPPED_FILE).touch()
        result = read_result(run, self.runner.folder, fault)
        if result.fault not in ("", STOPPED):
            faults[run.name] = result.fault
        self._count += 1
        self.bar.update()
        passed, count = time.monotonic() - self._begin, len(self.runs)
        left = timedelta(seconds=round(passed / self._count * (count - self._count)))
        place = f"[{self._count:>{len(str(count))}}/{count}]"
        if result.fault:
            self._say(f"{place} {run.name}: {'' if result.fault == STOPPED else 'failed: '}{result.fault}")
            return
        if run.trial is None and self._count == 1:
            self.unmeasured = unmeasured(self.runner.options.metrics[0], [result])
        measured = [f"{name} {number_text(result.metrics[name])}" for name in self.metrics if name in result.metrics]
        took = timedelta(seconds=round(result.seconds or 0))
        self._say(f"{place} {run.name}  {'  '.join(measured)}  in {took}, {left} left")

    def _say(self, line: str) -> None:
        self._said = time.monotonic()
        say(line)
