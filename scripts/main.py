"""The command `holdout`: Lightning's command line over the tasks, datamodules and callbacks of this project."""

import logging
import os
import shutil
import signal
import sys
import warnings
from pathlib import Path
from typing import Any, NoReturn

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.exceptions import SIGTERMException

from callbacks import CheckpointError
from datamodules import DataError
from models import TrainingError
from scripts.cli.lightning_cli import HoldoutCLI
from scripts.cli.parser import DEBUG_VARIABLE
from scripts.cli.runs import RUN_FOLDER_VARIABLE, UsageError

MISTAKE = 2
TERMINATED = 128 + signal.SIGTERM  # as a shell reports it
USER_ERRORS = (CheckpointError, DataError, MisconfigurationException, UsageError, TrainingError)
NOISE = (
    r".*LeafSpec.*is deprecated",
    r".*smaller than the logging interval.*",
    r"Checkpoint directory .* exists and is not empty",
    r".*does not have many workers.*",
    r"Found \d+ module\(s\) in eval mode",  # what is frozen stays in it on purpose
    r".*callbacks used to create the checkpoint need to be provided.*",  # evaluation needs none of them
)


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error and exit status 2."""
    logging.getLogger("lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    warnings.formatwarning = _one_line
    for pattern in NOISE:
        warnings.filterwarnings("ignore", message=pattern)
    # Numbers below 1e-38 take a CPU many times as long as others; a penalty drives the weights of dead units there.
    torch.set_flush_denormal(True)
    started_by_another = "LOCAL_RANK" in os.environ and RUN_FOLDER_VARIABLE in os.environ
    if not started_by_another:
        os.environ.pop(RUN_FOLDER_VARIABLE, None)
    try:
        HoldoutCLI()
    except USER_ERRORS as error:
        if os.environ.get(DEBUG_VARIABLE) == "1":
            raise
        fail(str(error))
    except SIGTERMException:  # Lightning exits with 0, as after a success
        sys.exit(TERMINATED)
    finally:
        torch.set_flush_denormal(False)
        if not started_by_another:
            _remove_unused_run(os.environ.pop(RUN_FOLDER_VARIABLE, None))


def fail(message: str) -> NoReturn:
    """Print one line on standard error (the first process alone) and exit with status 2."""
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print("holdout: error: " + " ".join(message.split()), file=sys.stderr, flush=True)
    sys.exit(MISTAKE)


def _remove_unused_run(chosen: str | None) -> None:
    """Remove a run's folder if it kept nothing: `config.yaml` is there from the start of training to such an end."""
    if chosen is None or (Path(chosen) / "config.yaml").is_file():
        return
    folder = Path(chosen)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.is_dir() and not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def _one_line(message: Warning | str, *_: Any, **__: Any) -> str:
    return f"warning: {' '.join(str(message).split())}\n"


if __name__ == "__main__":
    main()
