"""The job `study`: makes the runs of a comparison, and says what they show."""

import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from callbacks.files import display_path
from callbacks.printing import say
from datamodules.atomic_write import WriteError
from scripts.cli.errors import UsageError
from scripts.cli.failures import with_debug_hint
from scripts.cli.jobs import Job
from scripts.cli.ledger import RUNS, read_ledger, use_of
from scripts.cli.run_lock import locked
from scripts.cli.training import job_process, one_line_errors
from scripts.report.study import STUDY_FILE
from scripts.study.analysis import analyse_all
from scripts.study.design import comparison, search
from scripts.study.engine import check_ray
from scripts.study.options import Options
from scripts.study.reading import read_options
from scripts.study.resolved import Resolved, check_metrics, check_runs, default_metrics, resolve_arms, write_settings
from scripts.study.results import Result
from scripts.study.running import Runner, unmeasured
from scripts.study.searching import Choice, choose, write_trials
from scripts.study.study_file import write_study
from scripts.study.summary import result_lines
from scripts.study.writing import write_study_results


def run(job: Job, words: list[str]) -> None:
    """Run a study, or go on with one, and print where its results are.

    Raises:
        UsageError: The study cannot be made as asked; the message is one line.
    """
    with one_line_errors(with_debug_hint), job_process():
        options = read_options(words)
        check_ray(options.address)
        arms = resolve_arms(options)
        if not options.resume:
            check_runs(options)
        try:
            _study(options, arms)
        except WriteError as error:
            raise UsageError(str(error)) from error
        except KeyboardInterrupt:
            say("", "interrupted; the same command with --resume goes on")
            raise


def _study(options: Options, arms: Mapping[str, Resolved]) -> None:
    folder = options.studies_dir / (options.name or next(iter(arms.values())).name)
    made = _begin(folder, options)
    with locked(folder), _removed_unless_begun(folder if made else None), ExitStack() as stack:
        write_study(folder, options)
        write_settings(folder, arms)
        options = replace(options, metrics=options.metrics or default_metrics(arms))
        check_metrics(options)
        results, found = _runs(Runner(folder, options, stack), arms)
        analysis = analyse_all(results, options)
        write_study_results(folder, results, options, analysis, found, models_read_for(results))
    say("", *result_lines(results, options, analysis), *_where(folder))
    for metric in options.metrics:
        if line := unmeasured(metric, results):
            raise UsageError(line)
    failed = [result for result in results if result.fault]
    if failed:
        first = f"the first, {display_path(failed[0].folder)}: {failed[0].fault}"
        raise UsageError(f"{len(failed)} of {len(results)} runs failed; {first}")


def _begin(folder: Path, options: Options) -> bool:
    """Make a study's folder, or check that it is there to go on in; return whether it was made."""
    there = (folder / STUDY_FILE).is_file()
    if options.resume and not there:
        raise UsageError(f"--resume: there is no study in {folder}; leave it out to begin one")
    if not options.resume and folder.exists():
        raise UsageError(f"{folder} is there already; go on with it by --resume, or give --name for a new study")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--studies_dir {options.studies_dir}: cannot make {folder} ({error.strerror})") from error
    return not there


@contextmanager
def _removed_unless_begun(folder: Path | None) -> Iterator[None]:
    """Remove a folder that was made for a study after an error before its first run."""
    try:
        yield
    except BaseException:
        if folder is not None and not any((folder / place).exists() for place in ("runs", "search")):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _runs(runner: Runner, arms: Mapping[str, Resolved]) -> tuple[list[Result], dict[Choice, Mapping[str, str]]]:
    """Make all runs that are not finished; return what all have measured, and what a search chose."""
    options, seeds = runner.options, {name: arm.seeds for name, arm in arms.items()}
    found: dict[Choice, Mapping[str, str]] = {}
    trials = search(options, seeds)
    if trials:
        score = f"val/{options.metrics[0].partition('/')[2]}"
        if options.asha:
            runner.search(trials, score)
        else:
            runner.make(trials, "search")
        done = runner.read(trials)
        write_trials(runner.folder / "search.csv", done, score)
        found = choose(done, score)
    runs = comparison(options, seeds, found)
    if len(options.arms) == 1:
        say("one arm: nothing is compared; add another with --arm")
    runner.make(runs, "comparison of 1 arm" if len(options.arms) == 1 else f"comparison of {len(options.arms)} arms")
    return runner.read(runs), found


def models_read_for(results: Sequence[Result]) -> int:
    """Return the number of models that the test part has been read for; of several parts, the largest."""
    readings = read_ledger(RUNS)
    parts = {str(result.facts.get("test_part")) for result in results if not result.fault}
    return max((use_of(readings, part).models for part in parts), default=0)


def _where(folder: Path) -> list[str]:
    """Return the printed lines that say where the results lie, and what to do with them."""
    shown = display_path(folder)
    return [
        f"summary     {shown}/summary.md",
        f"results     {shown}/results.csv",
        *([f"trials      {shown}/search.csv"] if (folder / "search.csv").is_file() else []),
        f"figures     {shown}/figures",
        f"report      holdout report {shlex.quote(shown)}",
        f"curves      tensorboard --logdir {shlex.quote(shown)}/runs",
    ]
