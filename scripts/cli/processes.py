"""The processes of a run on several devices: when one ends, the others end too, and one line says which and why."""

import atexit
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from lightning.fabric.strategies.launchers.subprocess_script import _basic_subprocess_cmd
from lightning.fabric.utilities.distributed import _set_num_threads_if_needed
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from typing_extensions import override

from callbacks.interruption import INTERRUPTED, TERMINATED
from models import TrainingError
from scripts.cli.first_process import FIRST_VARIABLE, follow, how_to_go_on
from scripts.cli.runs import remove_empty_run

POLL, GRACE = 0.2, 3.0  # seconds
LOST = ("gloo", "nccl", "connection closed", "connection reset", "broken pipe", "recvvalue failed", "timed out")
SIGNALLED = {INTERRUPTED, TERMINATED, -signal.SIGINT, -signal.SIGTERM}


class ProcessLauncher(_SubprocessScriptLauncher):
    """Lightning's launcher, whose processes do not outlive each other.

    Lightning's own kills all without a word, five seconds after one has failed, and rank 0 alone watches: if that one
    is killed, or cannot open its port, the others wait for it for half an hour.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pipes: list[int] = []
        self._working = self._failed = False

    @override
    def launch(self, function: Callable[..., Any], *args: Any, trainer: L.Trainer | None = None, **kwargs: Any) -> Any:
        first = os.environ.pop(FIRST_VARIABLE, None)
        pipe = None if first is None else follow(first)
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if not self.cluster_environment.creates_processes_externally:
            self._call_children_scripts()
        _set_num_threads_if_needed(num_processes=self.num_processes)
        self._working = True
        try:
            return function(*args, **kwargs)
        except Exception as error:
            self._failed = True
            if pipe is not None:
                _report_to_first(pipe, error)
            raise self._explained(error) from error
        except BaseException:  # a signal
            self._failed = True
            raise
        finally:
            self._working = False

    @override
    def _call_children_scripts(self) -> None:
        self._check_can_spawn_children()
        environment = self.cluster_environment
        os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = environment.main_address, str(environment.main_port)
        os.environ["NODE_RANK"] = str(environment.node_rank())
        os.environ["WORLD_SIZE"] = str(self.num_processes * self.num_nodes)
        for rank in range(1, self.num_processes):
            reading, writing = os.pipe()
            own = {"LOCAL_RANK": str(rank), FIRST_VARIABLE: f"{os.getpid()}:{writing}"}
            process = subprocess.Popen(_basic_subprocess_cmd(), env=os.environ | own, pass_fds=(writing,))
            os.close(writing)
            self.procs.append(process)
            self._pipes.append(reading)
        os.environ["LOCAL_RANK"] = str(environment.local_rank())
        atexit.register(self._end_others)
        threading.Thread(target=self._watch, name="process-watch", daemon=True).start()

    def _explained(self, error: Exception) -> Exception:
        """Return what is to be raised for an error: the fault of another process, if this one was merely left alone."""
        port = os.environ.get("MASTER_PORT")
        if isinstance(error, torch.distributed.DistNetworkError) and "EADDRINUSE" in str(error):
            line = f"port {port} (MASTER_PORT) is taken by another process: unset it, or give a port that is free"
            return TrainingError(line)
        if not lost_connection(error) or not self.procs:
            return error
        deadline = time.monotonic() + GRACE
        while (fault := self._fault()) is None and time.monotonic() < deadline:
            time.sleep(POLL / 4)
        return error if fault is None else TrainingError(fault)

    def _fault(self) -> str | None:
        """Return why the first of the other processes failed, None if none has: a kill explains what follows it."""
        ended = [(rank, process.poll()) for rank, process in enumerate(self.procs, start=1)]
        failed = sorted((status >= 0, rank) for rank, status in ended if status)
        if not failed:
            return None
        local_rank = failed[0][1]
        process, pipe = self.procs[local_rank - 1], self._pipes[local_rank - 1]
        rank = self.cluster_environment.node_rank() * self.num_processes + local_rank
        return f"rank {rank} {end_of(process.pid, process.returncode)}{_message(pipe)}{how_to_go_on()}"

    def _watch(self) -> None:
        """End this process when another has failed, and it does not notice: it may wait for that one."""
        while all(process.poll() in (None, 0) for process in self.procs):
            if all(process.poll() == 0 for process in self.procs):
                return
            time.sleep(POLL)
        time.sleep(GRACE)
        if not self._working:
            return
        signalled = next((process.returncode for process in self.procs if process.returncode in SIGNALLED), None)
        if signalled is None:
            print(f"holdout: error: {self._fault()}", file=sys.stderr, flush=True)
        self._kill_others()
        remove_empty_run()
        status = 1 if signalled is None else signalled if signalled > 0 else 128 - signalled
        os._exit(status)

    def _end_others(self) -> None:
        """Wait for the others to end as this process does; kill those that do not."""
        deadline = time.monotonic() + (GRACE if self._failed else 10 * GRACE)
        while any(process.poll() is None for process in self.procs) and time.monotonic() < deadline:
            time.sleep(POLL / 4)
        self._kill_others()

    def _kill_others(self) -> None:
        for process in self.procs:
            if process.poll() is None:
                process.kill()
                process.wait()


def lost_connection(error: BaseException) -> bool:
    """Return whether an error says that another process of the run is gone."""
    text = str(error).lower()
    return isinstance(error, torch.distributed.DistError | RuntimeError) and any(word in text for word in LOST)


def end_of(pid: int | None, status: int) -> str:
    """Return how a process ended: "(process 12) was killed (SIGKILL)", "(process 12) ended with status 2"."""
    if status >= 0:
        return f"(process {pid}) ended with status {status}"
    return f"(process {pid}) was killed ({signal.Signals(-status).name})"


def _message(pipe: int) -> str:
    """Return what a process that has ended left in its pipe, as the end of a sentence."""
    os.set_blocking(pipe, False)
    try:
        text = os.read(pipe, 4000).decode(errors="replace")
    except BlockingIOError:  # a process that it started is alive
        text = ""
    return f": {' '.join(text.split())}" if text else ""


def _report_to_first(pipe: int, error: Exception) -> None:
    """Tell rank 0 why this process ends; say nothing if it was merely left alone, which rank 0 or a watch explains."""
    if lost_connection(error):
        time.sleep(GRACE)
        os._exit(1)
    os.write(pipe, f"{type(error).__name__}: {error}"[:4000].encode())
