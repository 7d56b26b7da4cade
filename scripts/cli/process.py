"""Settings of the process while a job trains or evaluates, and its run's folder."""

import logging
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from scripts.cli.runs import RUN_FOLDER_VARIABLE

LOGGERS = ("lightning", "lightning.pytorch", "lightning.fabric")
NOISE = (
    r".*LeafSpec.*is deprecated",
    r".*smaller than the logging interval.*",
    r"Checkpoint directory .* exists and is not empty",
    r".*does not have many workers.*",
    r"Found \d+ module\(s\) in eval mode",  # frozen modules stay in eval mode on purpose
    r".*callbacks used to create the checkpoint need to be provided.*",  # an evaluation needs none of them
)


@contextmanager
def job_process() -> Iterator[None]:
    """Quieten Lightning, make warnings one line, flush denormal numbers; afterwards remove the folder of an empty run.

    Numbers below 1e-38 slow a CPU down many times, and a weight penalty drives the weights of dead units there.
    """
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    formatwarning = warnings.formatwarning
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    torch.set_flush_denormal(True)
    started_by_another = "LOCAL_RANK" in os.environ and RUN_FOLDER_VARIABLE in os.environ
    if not started_by_another:
        os.environ.pop(RUN_FOLDER_VARIABLE, None)
    try:
        with warnings.catch_warnings():
            warnings.formatwarning = _one_line
            for pattern in NOISE:
                warnings.filterwarnings("ignore", message=pattern)
            yield
    finally:
        warnings.formatwarning = formatwarning
        torch.set_flush_denormal(False)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if not started_by_another:
            _remove_empty_run(os.environ.pop(RUN_FOLDER_VARIABLE, None))


def _remove_empty_run(chosen: str | None) -> None:
    """Remove a run's folder if it kept nothing: `config.yaml` is there from the start of training to an early end."""
    if chosen is None or (Path(chosen) / "config.yaml").is_file():
        return
    folder = Path(chosen)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.is_dir() and not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def _one_line(message: Warning | str, *_: Any, **__: Any) -> str:
    return f"warning: {' '.join(str(message).split())}\n"
