"""What a checkpoint says of a run's logs, so that a resumed run goes on with them: no point twice, none missing."""

from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.fabric.utilities.apply_func import convert_tensors_to_scalars

from callbacks.event_log import EventLog
from callbacks.loggers.csv_logger import CSVLogger
from callbacks.loggers.once_per_step import OncePerStep

EVENTS_KEY = "event_files"  # of a checkpoint: the size of each event file, in bytes, when it was written
ROWS_KEY = "csv_rows"  # the number of rows of each CSV file; not there if there is none
STEPS_KEY = "logged_steps"  # the last step at which each metric was logged
LOG_KEYS = (EVENTS_KEY, ROWS_KEY, STEPS_KEY)


def own_loggers(trainer: L.Trainer) -> list[OncePerStep]:
    """Return the loggers of a trainer that can go on where a checkpoint was written."""
    return [logger for logger in trainer.loggers if isinstance(logger, OncePerStep)]


def describe_logs(trainer: L.Trainer) -> dict[str, dict[str, int | None]]:
    """Return what a checkpoint is to say of the logs, by its keys; all that was logged so far is on disk then."""
    logs = own_loggers(trainer)
    found: dict[str, dict[str, int | None]] = {EVENTS_KEY: {}, STEPS_KEY: {}}
    for log in logs:
        found[STEPS_KEY] |= log.logged_steps
        if isinstance(log, CSVLogger):
            found[ROWS_KEY] = {**log.sizes()}
        elif isinstance(log, EventLog):
            found[EVENTS_KEY] |= log.sizes()
    return found


def cut_back_logs(trainer: L.Trainer, stored: Mapping[str, Any]) -> None:
    """Remove what was logged after a checkpoint was written.

    Args:
        trainer: The trainer.
        stored: The checkpoint; empty for a run that begins.
    """
    steps, events, rows = (_numbers(stored.get(key)) for key in (STEPS_KEY, EVENTS_KEY, ROWS_KEY))
    for log in own_loggers(trainer):
        log.cut_back(rows if isinstance(log, CSVLogger) else events, steps)


def log_ended_epoch(trainer: L.Trainer) -> None:
    """Log the metrics of an epoch that has just ended, before a checkpoint is written.

    Lightning logs them afterwards, and a run that is killed or resumed there would lack them; this project's loggers
    ignore the repetition.
    """
    connector, loop = trainer._logger_connector, trainer.fit_loop.epoch_loop
    if not trainer.training or connector._first_loop_iter is not None or not own_loggers(trainer):
        return
    metrics = convert_tensors_to_scalars(connector.metrics["log"])
    if metrics:
        for logger in own_loggers(trainer):
            logger.log_metrics({"epoch": trainer.current_epoch, **metrics}, step=loop._batches_that_stepped - 1)


def _numbers(stored: Any) -> dict[str, int]:
    """Return whole numbers by name as a checkpoint holds them; none if it holds something else."""
    valid = isinstance(stored, dict) and all(isinstance(number, int) for number in stored.values())
    return stored if valid else {}
