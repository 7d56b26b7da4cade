"""The processes that `ddp_spawn`, `ddp_fork` and `ddp_notebook` start: they go on in the middle of this program."""

import logging
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L
from lightning.pytorch.strategies.launchers.multiprocessing import _MultiProcessingLauncher, _WorkerOutput
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException
from typing_extensions import override

from callbacks import Summary
from callbacks.interruption import SIGNALS, Interrupted, StopOnSignal
from callbacks.lookup import find_callback
from models import TrainingError
from models.torch_files import load_tensors
from scripts.cli.processes import SIGNALLED, end_of
from scripts.cli.quiet import quiet


class SpawnLauncher(_MultiProcessingLauncher):
    """Lightning's launcher, whose processes heed signals, and which says in one line what ended one of them."""

    @override
    def launch(self, function: Callable[..., Any], *args: Any, trainer: L.Trainer | None = None, **kwargs: Any) -> Any:
        logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)  # it names each process that it ends
        try:
            with self._handing_signals_on():
                return super().launch(function, *args, trainer=trainer, **kwargs)
        except ProcessExitedException as error:
            status = error.exit_code
            if status in SIGNALLED:
                raise Interrupted(status if status > 0 else 128 - status) from error
            raise TrainingError(f"rank {error.error_index} {end_of(error.error_pid, status)}") from error
        except ProcessRaisedException as error:
            said = str(error).strip().splitlines()[-1]
            raise TrainingError(f"rank {error.error_index}: {said}") from error

    @contextmanager
    def _handing_signals_on(self) -> Iterator[None]:
        """Leave it to the processes to end in order: this one waits for them.

        Those of a terminal have had its interrupt themselves, and end at once at a second; a SIGTERM after it they
        ignore.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in SIGNALS}

        def hand_on(number: int, frame: FrameType | None) -> None:
            if any(process.is_alive() for process in self.procs):
                self.kill(signal.SIGTERM)
            elif callable(handler := before[number]):
                handler(number, frame)

        for number in SIGNALS:
            if before[number] not in (signal.SIG_IGN, None):
                signal.signal(number, hand_on)
        try:
            yield
        finally:
            for number, handler in before.items():
                if handler is not None:
                    signal.signal(number, handler)

    @override
    def _wrapping_function(self, process_idx: int, trainer: L.Trainer | None, *args: Any, **kwargs: Any) -> None:
        stop = None if trainer is None else find_callback(trainer, StopOnSignal)
        with quiet(), nullcontext() if stop is None else stop.listening():
            super()._wrapping_function(process_idx, trainer, *args, **kwargs)

    @override
    def _recover_results_in_main_process(self, worker_output: _WorkerOutput, trainer: L.Trainer) -> None:
        path = worker_output.weights_path
        if path is not None:  # a state_dict alone, in a folder of its own
            trainer.lightning_module.load_state_dict(load_tensors(path, "cpu"), strict=False)
            shutil.rmtree(Path(path).parent, ignore_errors=True)
        super()._recover_results_in_main_process(worker_output._replace(weights_path=None), trainer)

    @override
    def get_extra_results(self, trainer: L.Trainer) -> dict[str, Any]:
        summary = find_callback(trainer, Summary)
        return {**super().get_extra_results(trainer), "reported": summary is not None and summary.reported}

    @override
    def update_main_process_results(self, trainer: L.Trainer, extra: dict[str, Any]) -> None:
        super().update_main_process_results(trainer, extra)
        summary = find_callback(trainer, Summary)
        if summary is not None:
            summary.reported = extra["reported"]
