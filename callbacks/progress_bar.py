"""Progress bars for a terminal, on standard error: lines on standard output stay above them, or in their own file."""

import math
import sys
import time
from importlib.util import find_spec
from typing import Any, ClassVar, Protocol

import lightning as L
from lightning.pytorch import callbacks
from lightning.pytorch.trainer.states import RunningStage
from tqdm import tqdm
from typing_extensions import override

from callbacks.printing import say

INTERVAL = 0.1  # seconds between two looks of a bar: drawing one takes as long as several small steps


class Bars(Protocol):
    """Bars on the screen, by name; they go when they are closed."""

    def show(self, name: str, done: int, total: float) -> None:
        """Draw a bar; one that is not there yet opens below the others."""

    def close(self, name: str | None = None) -> None:
        """Take a bar, or all of them, off the screen."""


class TerminalProgressBar(callbacks.ProgressBar):
    """Shows how far an epoch, a validation, a test or a prediction is; rich draws it if it is installed, else tqdm.

    Each bar goes when its batches are done; the line of an epoch, which `EpochLines` prints, stays.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self._bars: Bars | None = None
        self._enabled = True
        self._drawn = -math.inf

    @override
    def disable(self) -> None:
        self._enabled = False
        self._close()

    @override
    def enable(self) -> None:
        self._enabled = True

    @override
    def print(self, *args: Any, **kwargs: Any) -> None:
        say(" ".join(map(str, args)))

    @override
    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._show(_epoch(trainer), batch_idx, trainer.num_training_batches)

    @override
    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._show(_epoch(trainer), batch_idx + 1, trainer.num_training_batches)

    @override
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._close()

    @override
    def on_validation_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *batch: Any) -> None:
        if trainer.state.stage != RunningStage.SANITY_CHECKING:
            self._show_evaluation("validation", trainer.num_val_batches, *batch[2:])

    @override
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._close("validation")

    @override
    def on_test_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *batch: Any) -> None:
        self._show_evaluation("test", trainer.num_test_batches, *batch[2:])

    @override
    def on_predict_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *batch: Any) -> None:
        self._show_evaluation("predict", trainer.num_predict_batches, *batch[2:])

    @override
    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._close()

    @override
    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._close()

    def _show_evaluation(self, name: str, batches: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        before = sum(batches[:dataloader_idx])
        self._show(name, int(before) + batch_idx + 1, sum(batches))

    def _show(self, name: str, done: int, total: float) -> None:
        now = time.monotonic()
        if now - self._drawn < INTERVAL or not self._enabled or not self.trainer.is_global_zero:
            return
        self._drawn = now
        if self._bars is None:
            self._bars = RichBars() if sys.stderr.isatty() and find_spec("rich") is not None else TqdmBars()
        self._bars.show(name, done, total)

    def _close(self, name: str | None = None) -> None:
        if self._bars is not None:
            self._bars.close(name)
        if name is None:
            self._bars = None
        self._drawn = time.monotonic()  # what follows has a bar if it takes longer than the interval


def _epoch(trainer: L.Trainer) -> str:
    total = f"/{trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
    return f"epoch {trainer.current_epoch + 1}{total}"


class TqdmBars:
    """Bars that tqdm draws; while they are on the screen, whatever else is written comes above them."""

    def __init__(self) -> None:
        self._open: dict[str, _UnwatchedBar] = {}
        self._streams = sys.stdout, sys.stderr

    def show(self, name: str, done: int, total: float) -> None:
        """Draw a bar."""
        if not self._open:
            from tqdm.contrib import DummyTqdmFile  # in a notebook its import prints a warning

            self._streams = sys.stdout, sys.stderr
            above = DummyTqdmFile(sys.stderr)
            sys.stdout, sys.stderr = (above if each.isatty() else each for each in self._streams)
        if name not in self._open:
            known = total if math.isfinite(total) else None
            options: dict[str, Any] = {"total": known, "initial": done, "leave": False, "dynamic_ncols": True}
            self._open[name] = _UnwatchedBar(desc=name, file=self._streams[1], **options)
        bar = self._open[name]
        bar.n = done
        bar.refresh()

    def close(self, name: str | None = None) -> None:
        """Take a bar, or all of them, off the screen."""
        for each in [name] if name is not None else [*reversed(self._open)]:
            if each in self._open:
                self._open.pop(each).close()
                if not self._open:
                    sys.stdout, sys.stderr = self._streams


class _UnwatchedBar(tqdm):
    monitor_interval = 0  # no thread that looks whether a bar is drawn often enough


class RichBars:
    """Bars that rich draws; while they are on the screen, it prints whatever else is written above them."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            auto_refresh=False,  # a thread would take time from the training
            transient=True,
            expand=True,
            redirect_stdout=sys.stdout.isatty(),  # output in a file stays there
        )
        self._tasks: dict[str, Any] = {}

    def show(self, name: str, done: int, total: float) -> None:
        """Draw a bar."""
        if not self._tasks:
            self._progress.start()
        if name not in self._tasks:
            known = total if math.isfinite(total) else None
            self._tasks[name] = self._progress.add_task(name, total=known, completed=done, rate="")
        task = next(task for task in self._progress.tasks if task.id == self._tasks[name])
        rate = "" if not task.speed else f"{task.speed:.0f}/s" if task.speed >= 10 else f"{task.speed:.2f}/s"
        self._progress.update(task.id, completed=done, rate=rate, refresh=True)

    def close(self, name: str | None = None) -> None:
        """Take a bar, or all of them, off the screen."""
        for each in [name] if name is not None else [*self._tasks]:
            if each in self._tasks:
                self._progress.remove_task(self._tasks.pop(each))
        if not self._tasks:
            self._progress.stop()
