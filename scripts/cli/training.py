"""The jobs of Lightning's Trainer: fit, validate, test and predict; and `fit` from Python."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, cast

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor

from callbacks import CheckpointError, Summary
from callbacks.checkpoint_io import load_checkpoint
from callbacks.lookup import find_callback
from datamodules import DataError, DataModule
from models import Task, TrainingError
from scripts.cli.command_line import CommandLine
from scripts.cli.errors import UsageError
from scripts.cli.invocation import resolve
from scripts.cli.jobs import JOBS, Job
from scripts.cli.mistakes import check_command_line
from scripts.cli.parser import parse
from scripts.cli.process import job_process
from scripts.cli.results import (
    in_dataset_order,
    prediction_rows,
    report_metrics,
    weights_note,
    write_metrics,
    write_predictions,
)
from scripts.cli.session import Session

TERMINATED = 128 + signal.SIGTERM  # as a shell reports it
USER_ERRORS = (CheckpointError, DataError, MisconfigurationException, TrainingError)
EVALUATED_PARTS = {"validate": ("val", "validation.json"), "test": ("test", "test.json")}


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


@job_process()
def run(job: Job, words: list[str]) -> None:
    """Run a job of the Trainer.

    Args:
        job: "fit", "validate", "test" or "predict".
        words: The words of the command line after the job's name.

    Raises:
        UsageError: Data, checkpoint, settings or training are at fault; the message is one line.
    """
    try:
        session = _prepare(job, words)
        if job.name == "fit":
            _fit(session)
        elif job.name == "predict":
            _predict(session)
        else:
            _evaluate(session, *EVALUATED_PARTS[job.name])
    except USER_ERRORS as error:
        raise UsageError(str(error)) from error
    except SIGTERMException:  # Lightning exits with 0, as after a success
        sys.exit(TERMINATED)


@job_process()
def fit_recipe(words: list[str]) -> Fit:
    """Train as `holdout fit` does, and return trainer, model and data.

    Raises:
        UsageError: The arguments are wrong.
        DataError, CheckpointError, TrainingError, MisconfigurationException: As the command would print.
    """
    session = _prepare(JOBS["fit"], words)
    _fit(session)
    return Fit(session.trainer, session.model, session.data)


def _prepare(job: Job, words: list[str]) -> Session:
    line = CommandLine.parse(job.name, words)
    check_command_line(line)
    invocation = resolve(line)
    return Session(job, invocation, *parse(job, invocation))


def _fit(session: Session) -> None:
    checkpoint, epochs = session.checkpoint, session.trainer.max_epochs
    if checkpoint is not None and epochs is not None and epochs >= 0:
        done = load_checkpoint(checkpoint)["epoch"] + 1
        if done > epochs:
            raise UsageError(f"{checkpoint} has trained {done} epochs already; raise --trainer.max_epochs above that")
    with _fitting_weights(checkpoint):
        session.trainer.fit(session.model, datamodule=session.data, ckpt_path=checkpoint)
    summary = find_callback(session.trainer, Summary)
    if summary is not None and not summary.reported and session.trainer.is_global_zero:
        print(f"{checkpoint} has trained {epochs} epochs already; raise --trainer.max_epochs to continue")


def _evaluate(session: Session, part: str, file: str) -> None:
    """Measure a checkpoint, print its metrics and write them into the run's folder."""
    trainer, checkpoint = session.trainer, session.checkpoint
    evaluate = trainer.validate if part == "val" else trainer.test
    with _fitting_weights(checkpoint):
        metrics = evaluate(session.model, datamodule=session.data, ckpt_path=checkpoint, verbose=False)[0]
    if not trainer.is_global_zero:
        return
    weights = weights_note(checkpoint)
    report_metrics(checkpoint, weights, session.data.describe(), metrics)
    limit = session.settings["trainer"][f"limit_{part}_batches"]
    if limit not in (None, 1.0) or isinstance(limit, int):  # 1 is one batch, 1.0 all of them
        print(f"  measured on a part alone (limit_{part}_batches {limit}): {file} is left as it is")
    elif session.folder is not None:
        write_metrics(session.folder / file, checkpoint, weights, metrics)


def _predict(session: Session) -> None:
    """Write a checkpoint's predictions for the test part to a CSV file."""
    trainer, data, checkpoint = session.trainer, session.data, session.checkpoint
    with _fitting_weights(checkpoint):
        outputs = cast("list[Tensor]", trainer.predict(session.model, datamodule=data, ckpt_path=checkpoint))
    predicted = in_dataset_order(outputs, trainer.global_rank, trainer.world_size)
    if not trainer.is_global_zero:
        return
    path = Path(session.settings["output"] or (session.folder or Path()) / "predictions.csv")
    assert data.split is not None
    indices = torch.from_numpy(data.split.test)
    rows, targets = prediction_rows(indices, data.samples.targets[indices], len(predicted))
    columns = session.model.prediction_columns(predicted, targets, data.class_names)
    write_predictions(path, {**rows, **columns})
    print(f"{len(predicted):,} predictions: {path}")


@contextmanager
def _fitting_weights(checkpoint: Path | None) -> Iterator[None]:
    """Turn PyTorch's many lines about weights that do not fit the network into one."""
    try:
        yield
    except RuntimeError as error:
        if "loading state_dict" not in str(error):
            raise
        reason = str(error).splitlines()[1].strip()
        raise CheckpointError(f"{checkpoint}: its weights do not fit the network as configured: {reason}") from error
