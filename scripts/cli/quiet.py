"""What Lightning and PyTorch print, kept down: no notices, and warnings of one line."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from datamodules.printable import printable

LOGGERS = ("lightning", "lightning.pytorch", "lightning.fabric")
NOISE = (
    r".*LeafSpec.*is deprecated",
    r".*smaller than the logging interval.*",
    r"Checkpoint directory .* exists and is not empty",
    r".*does not have many workers.*",
    r"When using `Trainer\(accumulate_grad_batches != 1\)` and overriding",  # the task counts on it
    r"Found \d+ module\(s\) in eval mode",  # frozen modules stay in eval mode on purpose
    r".*callbacks used to create the checkpoint need to be provided.*",  # an evaluation needs none of them
)


@contextmanager
def quiet() -> Iterator[None]:
    """Quieten Lightning, make warnings one line, and flush denormal numbers.

    Numbers below 1e-38 slow a CPU down many times, and a weight penalty drives the weights of dead units there.
    """
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    formatwarning, excepthook = warnings.formatwarning, threading.excepthook
    threading.excepthook = _quiet_writer
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    torch.set_flush_denormal(True)
    try:
        with warnings.catch_warnings():
            warnings.formatwarning = _one_line
            for pattern in NOISE:
                warnings.filterwarnings("ignore", message=pattern)
            yield
    finally:
        warnings.formatwarning, threading.excepthook = formatwarning, excepthook
        torch.set_flush_denormal(False)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _quiet_writer(fault: threading.ExceptHookArgs) -> None:
    """Leave what TensorBoard's thread cannot write to the logger, which raises it in the main thread."""
    if not issubclass(fault.exc_type, OSError) or type(fault.thread).__name__ != "_AsyncWriterThread":
        threading.__excepthook__(fault)


def _one_line(message: Warning | str, *_: Any, **__: Any) -> str:
    return f"warning: {printable(' '.join(str(message).split()))}\n"
