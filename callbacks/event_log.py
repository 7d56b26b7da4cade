"""TensorBoard's event files, which a resumed run continues: no point twice, none missing."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import lightning as L
from lightning.fabric.utilities.apply_func import convert_tensors_to_scalars
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from typing_extensions import override

from datamodules.atomic_write import WriteError

EVENTS_KEY = "event_files"  # of a checkpoint: the size of each event file, in bytes, when it was written
STEPS_KEY = "logged_steps"  # of a checkpoint: the last step at which each metric was logged
EVENT_FILES = "events.out.tfevents.*"


class EventLog(TensorBoardLogger):
    """TensorBoard's logger, whose files can be cut back to what they held when a checkpoint was written.

    It writes no `hparams.yaml`: `config.yaml` holds a run's settings. A metric is logged once a step.

    Args:
        folder: The run's folder.

    Attributes:
        logged_steps: The last step at which each metric was logged.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, name="", version="", default_hp_metric=False)
        self.folder = folder
        self.logged_steps: dict[str, int | None] = {}

    @property
    @override
    def log_dir(self) -> str:
        return str(self.folder)  # Lightning would expand `$` and `~` in its name

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        new = {
            name: value
            for name, value in metrics.items()
            if name not in self.logged_steps or self.logged_steps[name] != step
        }
        self.logged_steps |= dict.fromkeys(new, step)
        with self._writing():
            super().log_metrics(new, step)

    @override
    @rank_zero_only
    def save(self) -> None:
        with self._writing():
            super(TensorBoardLogger, self).save()

    @override
    @rank_zero_only
    def finalize(self, status: str) -> None:
        own = None if self._experiment is None else self._own_file()
        with self._writing() if status == "success" else suppress(OSError):  # what failed first is said already
            super().finalize(status)
        if own is not None and own.is_file() and _has_one_record(own):
            own.unlink()  # opened at setup, before it is known whether anything is to be logged

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            cause = error.__cause__ if isinstance(error, ValueError) else error  # as Lightning wraps it
            if not isinstance(cause, OSError):
                raise
            raise WriteError(self.folder / EVENT_FILES, cause) from error

    def _own_file(self) -> Path | None:
        writer = self.experiment.file_writer  # None once it is closed
        return None if writer is None else Path(writer.event_writer._file_name)

    def sizes(self) -> dict[str, int]:
        """Return the size of each event file by name, in bytes; all that was logged so far is on disk then."""
        with self._writing():
            self.experiment.flush()
        found = {}
        for path in Path(self.log_dir).glob(EVENT_FILES):
            with path.open("rb") as file:
                os.fsync(file.fileno())
            found[path.name] = path.stat().st_size
        return found

    def cut_back(self, sizes: Mapping[str, int], logged: Mapping[str, int | None]) -> None:
        """Remove what was logged after a checkpoint was written.

        Args:
            sizes: What `sizes` returned then; empty for a run that begins.
            logged: `logged_steps` of that moment.
        """
        self.logged_steps = dict(logged)
        paths = {path.name: path for path in Path(self.log_dir).glob(EVENT_FILES)}
        own = self._own_file()
        for name, path in paths.items():
            if name in sizes and 0 < sizes[name] < path.stat().st_size:
                os.truncate(path, sizes[name])
            elif name not in sizes and path != own:
                path.unlink()


def _has_one_record(path: Path) -> bool:
    """Return whether an event file holds nothing but the version of its format."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")  # then a checksum, the record, and its checksum
    return path.stat().st_size <= 8 + 4 + length + 4


def log_ended_epoch(trainer: L.Trainer) -> None:
    """Log the metrics of an epoch that has just ended to TensorBoard, before a checkpoint is written.

    Lightning logs them afterwards, and a run that is killed or resumed there would lack them; `EventLog` ignores the
    repetition.
    """
    connector, loop = trainer._logger_connector, trainer.fit_loop.epoch_loop
    if not trainer.training or connector._first_loop_iter is not None or not event_logs(trainer):
        return
    metrics = convert_tensors_to_scalars(connector.metrics["log"])
    if metrics:
        for logger in event_logs(trainer):
            logger.log_metrics({"epoch": trainer.current_epoch, **metrics}, step=loop._batches_that_stepped - 1)


def event_logs(trainer: L.Trainer) -> list[EventLog]:
    """Return the loggers of a trainer that write TensorBoard's files."""
    return [logger for logger in trainer.loggers if isinstance(logger, EventLog)]
