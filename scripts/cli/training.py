"""The jobs of Lightning's Trainer: fit, validate, test and predict."""

import logging
import os
import shutil
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.exceptions import SIGTERMException

from callbacks import CheckpointError
from datamodules import DataError
from models import TrainingError
from scripts.cli.errors import UsageError
from scripts.cli.jobs import Job
from scripts.cli.lightning_cli import HoldoutCLI
from scripts.cli.runs import RUN_FOLDER_VARIABLE
from scripts.cli.runs import UsageError as RunError

TERMINATED = 128 + signal.SIGTERM  # as a shell reports it
USER_ERRORS = (CheckpointError, DataError, MisconfigurationException, RunError, TrainingError)
NOISE = (
    r".*LeafSpec.*is deprecated",
    r".*smaller than the logging interval.*",
    r"Checkpoint directory .* exists and is not empty",
    r".*does not have many workers.*",
    r"Found \d+ module\(s\) in eval mode",  # frozen modules stay in eval mode on purpose
    r".*callbacks used to create the checkpoint need to be provided.*",  # an evaluation needs none of them
)


def run(job: Job, words: list[str]) -> None:
    """Run a job of the Trainer.

    Raises:
        UsageError: Data, checkpoint, settings or training are at fault; the message is one line.
    """
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.formatwarning = _one_line
    for pattern in NOISE:
        warnings.filterwarnings("ignore", message=pattern)
    torch.set_flush_denormal(True)
    started_by_another = "LOCAL_RANK" in os.environ and RUN_FOLDER_VARIABLE in os.environ
    if not started_by_another:
        os.environ.pop(RUN_FOLDER_VARIABLE, None)
    try:
        HoldoutCLI()
    except USER_ERRORS as error:
        raise UsageError(str(error)) from error
    except SIGTERMException:  # Lightning exits with 0, as after a success
        sys.exit(TERMINATED)
    finally:
        torch.set_flush_denormal(False)
        if not started_by_another:
            _remove_unused_run(os.environ.pop(RUN_FOLDER_VARIABLE, None))


def _remove_unused_run(chosen: str | None) -> None:
    if chosen is None or (Path(chosen) / "config.yaml").is_file():
        return
    folder = Path(chosen)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.is_dir() and not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def _one_line(message: Warning | str, *_: Any, **__: Any) -> str:
    return f"warning: {' '.join(str(message).split())}\n"
