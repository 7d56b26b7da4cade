"""Metrics as a CSV file, which a resumed run continues: no row twice, none missing."""

import csv
import io
import os
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import loggers
from lightning.pytorch.utilities import rank_zero_only
from typing_extensions import override

from callbacks.files import write_text
from callbacks.loggers.run_logger import RunLogger
from datamodules.atomic_write import WriteError

METRICS_FILE, SETTINGS_FILE = "metrics.csv", "hparams.yaml"
Row = Mapping[str, Any]


class CSVLogger(RunLogger, loggers.CSVLogger):
    """Writes metrics to `metrics.csv`, a row for each moment, and the hyperparameters to `hparams.yaml`.

    A killed run that is resumed ends with the file of an uninterrupted one.

    Args:
        save_dir: Folder for them, one below it for each run; default: they lie in the run's own folder.
    """

    def __init__(self, save_dir: str | None = None) -> None:
        super().__init__(save_dir or ".", name="", version="")
        self._given_dir = save_dir
        self._table: MetricsTable | None = None

    @property
    @override
    def log_dir(self) -> str:
        if self.folder is None or self._given_dir is None:
            return self._given_dir or str(self.folder or "")
        return str(Path(self._given_dir, *self.folder.absolute().parts[-2:]))

    @override
    @rank_zero_only
    def open(self) -> None:
        Path(self.log_dir).mkdir(parents=True, exist_ok=True)

    @property
    @override
    def experiment(self) -> "MetricsTable":  # type: ignore[override]
        """The file."""
        if self._table is None:
            self._table = MetricsTable(Path(self.log_dir) / METRICS_FILE)
        return self._table

    @override
    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace | None = None) -> None:  # type: ignore[override]
        given = vars(params) if isinstance(params, Namespace) else params or {}
        with self._writing():
            write_text(Path(self.log_dir) / SETTINGS_FILE, yaml.safe_dump(dict(given), sort_keys=False))

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:  # type: ignore[override]
        new = self.new_metrics(metrics, step)
        if new.keys() - {"epoch"}:
            of_epoch = {name: value for name, value in metrics.items() if name == "epoch"}
            self.experiment.add({**new, **of_epoch, "step": step})

    @override
    @rank_zero_only
    def save(self) -> None:
        with self._writing():
            self.experiment.save()

    @override
    @rank_zero_only
    def finalize(self, status: str) -> None:
        self.save()

    @override
    def sizes(self) -> dict[str, int]:
        with self._writing():
            return {METRICS_FILE: self.experiment.count()}

    @override
    def cut_back(self, sizes: Mapping[str, int], logged: Mapping[str, int | None]) -> None:
        super().cut_back(sizes, logged)
        with self._writing():
            self.experiment.cut_back(sizes.get(METRICS_FILE, 0))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WriteError(Path(self.log_dir) / METRICS_FILE, error) from error


class MetricsTable:
    """A CSV file of metrics that rows are added to; its columns are the metrics so far, in the order of their names.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: list[Row] = []
        self._columns: list[str] | None = None  # of the file; None before it is read
        self._rows = 0  # in the file

    def add(self, row: Row) -> None:
        """Keep a row, to be written with the next ones."""
        self._waiting.append(row)

    def save(self) -> None:
        """Write the rows that are waiting."""
        if not self._waiting:
            return
        if self._columns is None:
            self._read()
        columns = sorted({*(self._columns or ()), *(name for row in self._waiting for name in row)})
        if columns != self._columns:
            self._write(columns, [*self._read(), *self._waiting])
        else:
            with self.path.open("a", encoding="utf-8", newline="") as file:
                file.write(_lines(columns, self._waiting))
            self._rows += len(self._waiting)
        self._waiting = []

    def count(self) -> int:
        """Return the number of rows, all of which are on disk then."""
        self.save()
        if self.path.is_file():
            with self.path.open("rb") as file:
                os.fsync(file.fileno())
        return self._rows

    def cut_back(self, rows: int) -> None:
        """Keep the first rows alone."""
        kept, self._waiting = self._read()[: max(rows, 0)], []
        if kept:
            self._write(
                sorted({name for row in kept for name, value in row.items() if value and name is not None}), kept
            )
        else:
            self.path.unlink(missing_ok=True)
            self._columns, self._rows = [], 0

    def _read(self) -> list[Row]:
        self._columns, self._rows = [], 0
        if not self.path.is_file():
            return []
        with self.path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows: list[Row] = list(reader)
            self._columns, self._rows = list(reader.fieldnames or ()), len(rows)
        return rows

    def _write(self, columns: list[str], rows: Sequence[Row]) -> None:
        write_text(self.path, _lines(columns, [dict(zip(columns, columns, strict=True)), *rows]))
        self._columns, self._rows = columns, len(rows)


def _lines(columns: Sequence[str], rows: Sequence[Row]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n").writerows(rows)
    return text.getvalue()
