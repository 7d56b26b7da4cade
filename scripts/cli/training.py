"""The jobs of Lightning's Trainer: fit, validate, test, predict and calibrate; and `fit` from Python."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import lightning as L
from jsonargparse import Namespace
from lightning.fabric.utilities.exceptions import MisconfigurationException

from callbacks import CheckpointError, Summary, load_checkpoint
from callbacks.interruption import StopOnSignal
from callbacks.lookup import find_callback
from callbacks.monitor import check_lightnings_monitors
from callbacks.printing import say
from datamodules import DataError, DataModule
from datamodules.atomic_write import WriteError, remove_leftovers
from models import Task, TrainingError
from scripts.cli.allocator import keep_freed_memory
from scripts.cli.calibration import calibrate, check_calibration
from scripts.cli.command_line import CommandLine, check_command_line
from scripts.cli.default_recipe import needs_default_recipe, with_default_recipe
from scripts.cli.errors import UnforeseenError, UsageError
from scripts.cli.evaluation import evaluate
from scripts.cli.failures import DEBUG_VARIABLE, describe_failure, keep_traceback, with_debug_hint
from scripts.cli.first_process import RUN_FOLDER_VARIABLE
from scripts.cli.going_on import check_longer, lacks_summary, nothing_left, what_is_kept
from scripts.cli.invocation import Invocation, resolve
from scripts.cli.jobs import JOBS, Job
from scripts.cli.launchers import check_gathers
from scripts.cli.measured_weights import tell_given_weights
from scripts.cli.parser import Parser, parse
from scripts.cli.predictions import PREDICTIONS, predict, predictions_path
from scripts.cli.quiet import quiet
from scripts.cli.result_files import check_writable
from scripts.cli.run_lock import locked
from scripts.cli.runs import remove_empty_run, run_folder_of
from scripts.cli.searches import with_found_values
from scripts.cli.session import Session
from scripts.cli.stock import check_own, notes

USER_ERRORS = (CheckpointError, DataError, MisconfigurationException, TrainingError)


class Fit(NamedTuple):
    """A recipe's training.

    Attributes:
        trainer: The trainer, after training.
        model: The task as training left it; the best epoch is `checkpoints/best.ckpt` in `trainer.default_root_dir`.
        data: The datamodule.
    """

    trainer: L.Trainer
    model: Task
    data: DataModule


@contextmanager
def job_process() -> Iterator[None]:
    """Let this process do a job; afterwards remove the folder of an empty run."""
    started_by_another = "LOCAL_RANK" in os.environ and RUN_FOLDER_VARIABLE in os.environ
    if not started_by_another:
        os.environ.pop(RUN_FOLDER_VARIABLE, None)
    try:
        with quiet():
            yield
    finally:
        if not started_by_another:
            remove_empty_run()


@contextmanager
def one_line_errors(unforeseen: Callable[[Exception], str]) -> Iterator[None]:
    """Turn what goes wrong in a job into one line.

    Args:
        unforeseen: Returns the line of an error that is nobody's mistake.

    Raises:
        UsageError: Something went wrong; an `UnforeseenError` if it is nobody's mistake.
    """
    try:
        yield
    except USER_ERRORS as error:
        raise UsageError(str(error)) from error
    except UsageError:
        raise
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE) == "1":
            raise
        raise UnforeseenError(unforeseen(error)) from error


@job_process()
def run(job: Job, words: list[str], *callbacks: L.Callback) -> None:
    """Run a job of the Trainer.

    Args:
        job: "fit", "validate", "test", "predict" or "calibrate".
        words: The words of the command line after the job's name.
        callbacks: Callbacks besides those that the words ask for; the run's settings do not name them.

    Raises:
        UsageError: Data, checkpoint, settings or training are at fault; the message is one line.
    """
    session: Session | None = None
    with one_line_errors(lambda error: _unforeseen(error, session)):
        session = prepare(job, words)
        keep_freed_memory()  # not before the data are read, in arrays that do not come again
        session.trainer.callbacks.extend(callbacks)  # type: ignore[attr-defined]
        if session.trainer.is_global_zero and (lines := notes(session.model, session.data)):
            say(*lines)
        if session.given_weights is not None:
            tell_given_weights(session)
        if job.name == "fit":
            _fit_until_signal(session)
        elif job.name == "predict":
            predict(session)
        elif job.name == "calibrate":
            calibrate(session)
        else:
            evaluate(session)


def _unforeseen(error: Exception, session: Session | None) -> str:
    """Return one line on an error; of one after the first step, the traceback is kept in the run's folder."""
    if session is None or not _has_trained(session):
        begins_from = session.checkpoint if session is not None else None
        return with_debug_hint(error) if begins_from is None else f"{begins_from}: {with_debug_hint(error)}"
    return f"{describe_failure(error)} ({keep_traceback(error, session.folder)}); {what_is_kept(session.folder)}"


def _has_trained(session: Session) -> bool:
    """Return whether a training has made a step since it began or was resumed."""
    if session.job.name != "fit":
        return False
    checkpoint = session.checkpoint
    return session.trainer.global_step > (0 if checkpoint is None else load_checkpoint(checkpoint)["global_step"])


def _fit_until_signal(session: Session) -> None:
    """Train; exit with a signal's status after the step in which it arrives."""
    stop = find_callback(session.trainer, StopOnSignal)
    assert stop is not None
    try:
        with stop.listening(), locked(session.folder if session.trainer.is_global_zero else None):
            _fit(session)
    except SystemExit as ended:  # Lightning exits with 1 after an interrupt
        sys.exit(ended.code if stop.received is None else stop.received)
    except WriteError as error:
        raise UsageError(f"{error}; {what_is_kept(session.folder)}") from error


@job_process()
def fit_recipe(words: list[str]) -> Fit:
    """Train as `holdout fit` does, and return trainer, model and data.

    Raises:
        UsageError: The arguments are wrong.
        DataError, CheckpointError, TrainingError, MisconfigurationException: As the command would print.
    """
    session = prepare(JOBS["fit"], words)
    _fit(session)
    return Fit(session.trainer, session.model, session.data)


def read_settings(job: Job, words: list[str]) -> tuple[Invocation, Parser, Namespace, DataModule | None]:
    """Return what the words after a job's name add up to, and the data, if choosing a recipe for them has read them."""
    line, data = CommandLine.parse(job.name, words), None
    if needs_default_recipe(line):
        line, data = with_default_recipe(job, line)
    check_command_line(line)
    invocation = resolve(line)
    return invocation, *parse(job, invocation), data


def prepare(job: Job, words: list[str]) -> Session:
    """Return trainer, model and data for a job, as the words after its name ask for them."""
    invocation, parser, config, data = read_settings(job, words)
    if job.name == "predict":
        folder = None if invocation.checkpoint is None else run_folder_of(invocation.checkpoint)
        check_writable(predictions_path(config.output, folder), PREDICTIONS, [invocation.checkpoint])
    if job.name == "calibrate" and invocation.checkpoint is not None:
        check_calibration(config.coverage, invocation.checkpoint)
    parser, config, data = with_found_values(job, invocation, parser, config, data)
    session = Session(job, invocation, parser, config, data)
    if job.name in ("predict", "calibrate"):
        check_own(job.name, session.model, session.data)
        check_gathers(job.name, session.trainer.strategy)
    return session


def _fit(session: Session) -> None:
    checkpoint, trainer = session.checkpoint, session.trainer
    if checkpoint is not None:
        check_longer(checkpoint, trainer)
        trainer.fit_loop.only_end = lacks_summary(checkpoint, session.folder)
    if session.folder is not None and trainer.is_global_zero:
        remove_leftovers(session.folder)
    check_lightnings_monitors(trainer, session.model)
    with session.fitting_weights():
        trainer.fit(session.model, datamodule=session.data, ckpt_path=checkpoint)
    summary = find_callback(trainer, Summary)
    if summary is not None and not summary.reported and trainer.is_global_zero:
        assert checkpoint is not None
        say(nothing_left(checkpoint, trainer))
