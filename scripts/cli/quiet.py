"""What Lightning and PyTorch print, kept down: no notices but those asked for, and warnings of one line."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from typing_extensions import override

from callbacks.printing import say
from datamodules.printable import printable

LOGGERS = ("lightning", "lightning.pytorch", "lightning.fabric")
# These speak when they are asked to: the report of a profiler, a table of layers, a callback's `verbose`.
ASKED_FOR = ("lightning.pytorch.profilers", "lightning.pytorch.callbacks")
NOTICES = "lightning.pytorch.utilities.rank_zero"  # of whatever part of Lightning
ASKING = ("model_checkpoint", "stochastic_weight_avg")  # modules whose notices there come with `verbose` alone
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
            with _Printed().listening():
                yield
    finally:
        warnings.formatwarning, threading.excepthook = formatwarning, excepthook
        torch.set_flush_denormal(False)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class _Printed(logging.Handler):
    """Prints what a user has asked Lightning to say, where and when our own lines are printed."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(lambda record: record.levelno == logging.INFO)
        self.addFilter(lambda record: record.name != NOTICES or record.module in ASKING)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        say(*record.getMessage().strip("\n").expandtabs(1).splitlines())

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Print the notices of those loggers; what is worse than a notice goes the way it went."""
        loggers = [logging.getLogger(name) for name in (*ASKED_FOR, NOTICES)]
        levels = [logger.level for logger in loggers]
        others = [handler for name in LOGGERS for handler in logging.getLogger(name).handlers]
        for handler in others:
            handler.addFilter(_worse_than_a_notice)
        for logger in loggers:
            logger.setLevel(logging.INFO)
            logger.addHandler(self)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.removeHandler(self)
                logger.setLevel(level)
            for handler in others:
                handler.removeFilter(_worse_than_a_notice)


def _worse_than_a_notice(record: logging.LogRecord) -> bool:
    return record.levelno > logging.INFO


def _quiet_writer(fault: threading.ExceptHookArgs) -> None:
    """Leave what TensorBoard's thread cannot write to the logger, which raises it in the main thread."""
    if not issubclass(fault.exc_type, OSError) or type(fault.thread).__name__ != "_AsyncWriterThread":
        threading.__excepthook__(fault)


def _one_line(message: Warning | str, *_: Any, **__: Any) -> str:
    return f"warning: {printable(' '.join(str(message).split()))}\n"
