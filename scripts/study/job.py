"""The job `study`: makes the runs of a comparison, and says what they show."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from callbacks.files import display_path
from callbacks.printing import say
from datamodules.atomic_write import WriteError
from scripts.cli.errors import UsageError
from scripts.cli.failures import with_debug_hint
from scripts.cli.jobs import Job
from scripts.cli.run_lock import locked
from scripts.cli.training import job_process, one_line_errors
from scripts.study.design import PlannedRun, comparison, search
from scripts.study.engine import Resources, check_ray, cluster, gpus_there_are
from scripts.study.options import Options
from scripts.study.reading import read_options
from scripts.study.resolved import Resolved, resolve_arms, write_settings
from scripts.study.results import Result, read_result, write_results
from scripts.study.running import Runner
from scripts.study.searching import Choice, choose, write_trials
from scripts.study.study_file import write_study

MAIN_METRICS = ("test/accuracy", "test/loss")


def run(job: Job, words: list[str]) -> None:
    """Run a study, or go on with one, and print where its results are.

    Raises:
        UsageError: The study cannot be made as asked; the message is one line.
    """
    with one_line_errors(with_debug_hint), job_process():
        options = read_options(words)
        check_ray()
        arms = resolve_arms(options)
        try:
            _study(options, arms)
        except WriteError as error:
            raise UsageError(str(error)) from error


def _study(options: Options, arms: Mapping[str, Resolved]) -> None:
    folder = options.studies_dir / (options.name or next(iter(arms.values())).name)
    _begin(folder, options)
    with locked(folder):
        write_study(folder, options)
        write_settings(folder, arms)
        results = _runs(folder, options, arms)
        write_results(folder / "results.csv", results)
    failed = [result for result in results if result.fault]
    say("", f"results     {display_path(folder / 'results.csv')}")
    if failed:
        raise UsageError(
            f"{len(failed)} of {len(results)} runs failed; the first, {failed[0].folder}: {failed[0].fault}"
        )


def _begin(folder: Path, options: Options) -> None:
    there = (folder / "study.yaml").is_file()
    if options.resume and not there:
        raise UsageError(f"--resume: there is no study in {folder}; leave it out to begin one")
    if not options.resume and folder.exists():
        raise UsageError(f"{folder} is there already; go on with it by --resume, or give --name for a new study")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--studies_dir {options.studies_dir}: cannot make {folder} ({error.strerror})") from error


def _runs(folder: Path, options: Options, arms: Mapping[str, Resolved]) -> list[Result]:
    """Make all runs that are not finished; return what all have measured."""
    seeds = {name: arm.seeds for name, arm in arms.items()}
    with cluster(options.address):
        gpus = min(gpus_there_are(), 1.0) if options.gpus_per_run is None else options.gpus_per_run
        resources = Resources(options.parallel, options.threads, gpus, options.retries)
        runner = Runner(folder, resources, options.metrics or MAIN_METRICS)
        found: dict[Choice, Mapping[str, str]] = {}
        trials = search(options, seeds)
        if trials:
            found = _search(runner, trials, options, arms)
        runs = comparison(options, seeds, found)
        runner.make(runs, f"comparison of {len(options.arms)} arms")
    return [read_result(one, folder, runner.faults.get(one.name, "")) for one in runs]


def _search(
    runner: Runner, trials: Sequence[PlannedRun], options: Options, arms: Mapping[str, Resolved]
) -> dict[Choice, Mapping[str, str]]:
    score = f"val/{(options.metrics or MAIN_METRICS)[0].partition('/')[2]}"
    if options.asha:
        runner.search(trials, score, {name: arm.validations for name, arm in arms.items()})
    else:
        runner.make(trials, "search")
    done = [read_result(trial, runner.folder, runner.faults.get(trial.name, "")) for trial in trials]
    write_trials(runner.folder / "search.csv", done, score)
    return choose(done, score)
