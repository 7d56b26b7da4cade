"""The runs of a study on Ray, which places them, starts those again that crash, and ends those that a search gives up.

Ray is told nothing that it would have to keep: what a run has done stands in its folder, and a run that is started
again goes on from there.
"""

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from scripts.cli.errors import UsageError
from scripts.study.results import STOPPED
from scripts.study.worker import EPOCH, FAULT, NUMBER, PROGRESS, SCORE, Task, work

NEEDS = "study needs Ray: pip install 'holdout[study]'"
MOST_EPOCHS = 10**6
OBJECT_STORE = 2**27  # bytes: runs pass nothing through it
# Before Ray is imported: no reports to its makers, no files of its own, no folder for each trial to run in.
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": str(10**9),
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # an interrupt ends the study, as any command
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}


@dataclass(frozen=True)
class Resources:
    """What runs may take.

    Attributes:
        parallel: Runs at a time.
        threads: CPU threads of a run.
        gpus: GPUs of a run, or a fraction of one.
        retries: How often a run that crashes is started again.
    """

    parallel: int
    threads: int
    gpus: float
    retries: int


class Watcher(Protocol):
    """Whoever is told what becomes of tasks, by their place among them."""

    @property
    def stop(self) -> bool:
        """Whether the tasks that have not ended are to be given up."""

    def progress(self, number: int, progress: str) -> None:
        """Take note of how far a task is."""

    def ended(self, number: int, fault: str) -> None:
        """Take note of the end of a task, and why it failed, "" if it did not, `STOPPED` if it was given up."""


def check_ray(address: str) -> None:
    """Check that Ray is installed, and import it with its settings.

    Whoever may give Ray work may run any code. The one that is started on this machine asks for a token, which other
    users of the machine and of the network do not have, unless the environment says otherwise when it is imported. A
    cluster is to be trusted, and asks for whatever its owner has set.

    Args:
        address: The cluster's; "" for this machine.

    Raises:
        UsageError: It is not.
    """
    os.environ.update(SETTINGS)
    if not address:
        os.environ.pop("RAY_AUTH_MODE", None)
    try:
        import optuna  # noqa: F401
        import ray.tune  # noqa: F401
    except ImportError as error:
        raise UsageError(NEEDS) from error


@contextmanager
def cluster(address: str) -> Iterator[None]:
    """Start Ray on this machine, or connect to a cluster.

    Args:
        address: The cluster's; "" for this machine.

    Raises:
        UsageError: There is no cluster there, or Ray does not start.
    """
    import ray

    logging.getLogger("ray").setLevel(logging.CRITICAL)  # runs that fail are reported by us
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL, "configure_logging": False}
    try:
        if address:
            ray.init(address, runtime_env={"env_vars": SETTINGS}, **quiet)
        else:
            ray.init(include_dashboard=False, object_store_memory=OBJECT_STORE, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        where = f"--address {address}" if address else "Ray does not start on this machine"
        raise UsageError(f"{where}: {' '.join(str(error).split())}") from error
    try:
        yield
    finally:
        ray.shutdown()


def resources_for(parallel: int | None, threads: int, gpus: float | None, retries: int) -> Resources:
    """Return what runs may take of the cluster.

    Args:
        parallel: Runs at a time; None for as many as there is room for.
        threads: CPU threads of a run.
        gpus: GPUs of a run, or a fraction of one; None for one if there are any.
        retries: How often a run that crashes is started again.

    Raises:
        UsageError: A single run would take more than there is.
    """
    import ray

    there = ray.cluster_resources()  # type: ignore[no-untyped-call]
    cpus_there, gpus_there = float(there.get("CPU", 0)), float(there.get("GPU", 0))
    gpus = min(gpus_there, 1.0) if gpus is None else gpus
    if threads > cpus_there:
        raise UsageError(f"--threads {threads}: Ray has {cpus_there:g} cores here")
    if gpus > gpus_there:
        raise UsageError(f"--gpus_per_run {gpus:g}: Ray has {gpus_there:g} GPUs here")
    room = int(cpus_there // threads) if not gpus else min(int(cpus_there // threads), int(gpus_there / gpus))
    return Resources(min(parallel or room, room), threads, gpus, retries)


def run_all(
    tasks: Sequence[Task],
    resources: Resources,
    watcher: Watcher,
    folder: Path,
    *,
    halving: bool = False,
) -> None:
    """Run tasks until each has ended.

    Args:
        tasks: The tasks.
        resources: What they may take.
        watcher: Is told what becomes of them.
        folder: Where Ray keeps its own files meanwhile, visible to all machines; nothing is read from it later.
        halving: End tasks with unpromising scores early, by asynchronous successive halving (Li et al., arXiv
            1810.05934); otherwise all end by themselves.
    """
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler

    # By the epoch that a run is in, which a run that is started again goes on counting; none reaches the last rung.
    scheduler = ASHAScheduler(time_attr=EPOCH, metric=SCORE, mode="max", max_t=MOST_EPOCHS) if halving else None
    trainable = tune.with_resources(partial(work, list(tasks)), {"cpu": resources.threads, "gpu": resources.gpus})
    try:
        tune.Tuner(
            trainable,
            param_space={NUMBER: tune.grid_search(list(range(len(tasks))))},
            tune_config=tune.TuneConfig(
                reuse_actors=True, max_concurrent_trials=resources.parallel, scheduler=scheduler
            ),
            run_config=tune.RunConfig(
                storage_path=str(folder.absolute()),
                name="trials",
                verbose=0,
                callbacks=[_listener(watcher)],
                stop=_stopper(watcher),
                failure_config=tune.FailureConfig(max_failures=resources.retries),
            ),
        ).fit()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _listener(watcher: Watcher) -> Any:
    from ray import tune

    class Listener(tune.Callback):
        def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Any, **info: Any) -> None:
            if result.get(PROGRESS):
                watcher.progress(trial.config[NUMBER], result[PROGRESS])

        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            watcher.ended(trial.config[NUMBER], (trial.last_result or {}).get(FAULT, STOPPED))

        def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            watcher.ended(trial.config[NUMBER], _reason(trial))

        def __reduce__(self) -> tuple[type, tuple[()]]:
            return object, ()  # Ray saves its callbacks, in a file that nothing reads

    return Listener()


def _stopper(watcher: Watcher) -> Any:
    from ray import tune

    class Stopper(tune.Stopper):
        def __call__(self, trial_id: str, result: Any) -> bool:
            return False

        def stop_all(self) -> bool:
            return watcher.stop

        def __reduce__(self) -> tuple[type, tuple[()]]:
            return object, ()  # as above

    return Stopper()


def _reason(trial: Any) -> str:
    error = trial.get_pickled_error() or trial.get_error()
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else "its process was killed"
