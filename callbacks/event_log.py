"""TensorBoard's event files, which a resumed run continues: no point twice, none missing."""

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from typing_extensions import override

from callbacks.loggers.once_per_step import OncePerStep
from callbacks.tensorboard_records import hparams_records, write_points
from datamodules.atomic_write import WriteError

EVENT_FILES = "events.out.tfevents.*"
RENAMED = {"epoch": "train/epoch"}  # so that it does not stand before all that was measured
TIME = re.compile(r"events\.out\.tfevents\.([0-9]{1,12})\.")
RESULT_FILES = "events.out.tfevents.*.test"  # at most one in a run's folder


class EventLog(OncePerStep, TensorBoardLogger):
    """TensorBoard's logger, whose files can be cut back to what they held when a checkpoint was written.

    It writes no `hparams.yaml`: `config.yaml` holds a run's settings. A metric is logged once a step. A run enters the
    HParams tab when its training ends.

    Args:
        folder: The run's folder.
        title: Name of the run in the HParams tab; default: as TensorBoard names it elsewhere.
    """

    def __init__(self, folder: Path, title: str = "") -> None:
        super().__init__(folder, name="", version="", default_hp_metric=False)
        self.folder = folder
        self.title = title

    @property
    @override
    def log_dir(self) -> str:
        return str(self.folder)  # Lightning would expand `$` and `~` in its name

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        new = {RENAMED.get(name, name): value for name, value in self.new_metrics(metrics, step).items()}
        with self._writing():
            super().log_metrics(new, step)

    @override
    @rank_zero_only
    def log_hyperparams(self, params: Any, metrics: dict[str, Any] | None = None, step: int | None = None) -> None:
        self.log_metrics(metrics or {}, step)
        with self._writing():
            for record in hparams_records(params, self.title):
                self.experiment._get_file_writer().add_summary(record, step)

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

    def _files(self) -> list[Path]:
        """Return the files of events; who opens a named pipe waits for ever."""
        return [path for path in Path(self.log_dir).glob(EVENT_FILES) if path.is_file()]

    @override
    def sizes(self) -> dict[str, int]:
        with self._writing():
            self.experiment.flush()
        found = {}
        for path in self._files():
            with path.open("rb") as file:
                os.fsync(file.fileno())
            found[path.name] = path.stat().st_size
        return found

    @override
    def cut_back(self, sizes: Mapping[str, int], logged: Mapping[str, int | None]) -> None:
        super().cut_back(sizes, logged)
        paths = {path.name: path for path in self._files()}
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


def log_test(folder: Path, metrics: Mapping[str, float], step: int) -> None:
    """Log the metrics of a test into a separate event file of the run's folder; the next test replaces it."""
    earlier = list(folder.glob(RESULT_FILES))
    # TensorBoard, if it runs, reads files that are new, in the order of their names.
    times = [int(found[1]) for path in folder.glob(EVENT_FILES) if (found := TIME.match(path.name))]
    path = folder / EVENT_FILES.replace("*", f"{max([int(time.time()), *(seconds + 1 for seconds in times)])}.test")
    write_points(path, metrics, step)
    for replaced in earlier:
        replaced.unlink(missing_ok=True)
