"""Signals that end a run: the step is finished and kept, so that nothing is lost."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, ClassVar

import lightning as L
from lightning.pytorch.utilities.exceptions import SIGTERMException
from typing_extensions import override

from callbacks.agreement import holds_anywhere, shared_validation_batches
from callbacks.last_checkpoint import LastCheckpoint, goes_on_in_epoch, is_between_steps
from callbacks.lookup import find_callback, move_last, validates_in_fit

# SLURM sends the last two to a job that it preempts (`--signal`), and SIGTERM before it kills one.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name))
INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM  # exit statuses, as a shell reports them


class Interrupted(SIGTERMException):  # what Lightning raises, and what callbacks know
    """A signal ended training after a step.

    Args:
        status: Exit status of the process.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class StopOnSignal(L.Callback):
    """Ends training after the step in which a signal arrives, once `last.ckpt` is written.

    Attributes:
        received: Exit status that the first signal asks for, None before one arrives.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self) -> None:
        self.received: int | None = None
        self._training = False
        self._listening = False
        self._shared_batches = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Heed signals: before and after training they end the process in order, in training after the step.

        A second interrupt from the keyboard ends it at once. Signals that are ignored, as under `nohup`, stay so. Only
        the main thread can be told of signals; in another, they do what they did.
        """
        self.received, self._listening = None, threading.current_thread() is threading.main_thread()
        before = {number: signal.getsignal(number) for number in SIGNALS}
        self.listen()
        try:
            yield
        finally:
            for number, handler in before.items():
                if self._listening and handler is not None:
                    signal.signal(number, handler)
            self._listening = False

    def listen(self) -> None:
        """Put our handlers back where Lightning has put its own, which in DDP wait for the others in the handler."""
        for number in SIGNALS:
            if self._listening and signal.getsignal(number) not in (signal.SIG_IGN, None):
                signal.signal(number, self._heed)

    def _heed(self, number: int, frame: FrameType | None) -> None:
        interrupt = number == signal.SIGINT
        if interrupt and self.received == INTERRUPTED:
            os._exit(INTERRUPTED)
        if self.received is not None and not interrupt:
            return
        if interrupt and self._training:
            os.write(2, b"\nfinishing the step and saving; Ctrl-C again ends at once\n")
        self.received = INTERRUPTED if interrupt else TERMINATED
        if not self._training:
            raise KeyboardInterrupt if interrupt else Interrupted(TERMINATED)

    @override
    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._training = self._listening

    @override
    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._training = False

    @override
    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._training = False

    @override
    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        # After all callbacks that keep something of a step; `LastCheckpoint` places itself behind.
        move_last(trainer, self)

    @override
    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.global_step and self._received_anywhere(trainer):  # the epoch before is saved
            raise Interrupted(self.received or TERMINATED)

    @override
    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if self._received_anywhere(trainer) and goes_on_in_epoch(trainer):
            self._save_and_stop(trainer)

    @override
    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._shared_batches = shared_validation_batches(trainer)
        self._stop_validation(trainer)

    @override
    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if batch_idx < self._shared_batches:
            self._stop_validation(trainer)

    def _stop_validation(self, trainer: L.Trainer) -> None:
        if validates_in_fit(trainer) and self._received_anywhere(trainer) and is_between_steps(trainer):
            self._save_and_stop(trainer)

    def _received_anywhere(self, trainer: L.Trainer) -> bool:
        """Return whether a signal has arrived in any process, so that all stop after the same step."""
        received = holds_anywhere(trainer, self.received is not None)
        if received and self.received is None:
            self.received = TERMINATED  # sent to another process alone
        return received

    def _save_and_stop(self, trainer: L.Trainer) -> None:
        last = find_callback(trainer, LastCheckpoint)
        if last is not None:
            last.save_within_epoch(trainer)
        raise Interrupted(self.received or TERMINATED)
