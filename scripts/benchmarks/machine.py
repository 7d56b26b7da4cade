"""The machine that a benchmark runs on, and what else it does meanwhile."""

import os
import platform
import re
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import torch

from callbacks.environment import processor

PROC = Path("/proc")
LIBRARIES = ("torch", "torchvision", "lightning", "torchmetrics", "numpy")
IDLE = 0.1  # of a core: what another process may use while a run counts as clean


def describe_machine() -> dict[str, Any]:
    """Return processor, cores, memory, GPUs and versions, as plain values."""
    memory = re.search(r"MemTotal:\s*(\d+)", _text(PROC / "meminfo"))
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(int(memory[1]) / 2**20, 1) if memory else None,
        "gpus": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())],
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


class LoadMeter:
    """Measures which process, other than this and those that it starts, uses most of a core.

    Attributes:
        busiest: Its name, and the share of a core that it used, from 0; None where the system does not tell.
    """

    busiest: tuple[str, float] | None = None

    def __enter__(self) -> Self:
        self._begin, self._before = time.monotonic(), _seconds_by_process()
        return self

    def __exit__(self, *_: object) -> None:
        elapsed, after = time.monotonic() - self._begin, _seconds_by_process()
        used = [
            ((process.seconds - self._before[pid].seconds if pid in self._before else 0.0) / elapsed, process.name)
            for pid, process in after.items()
            if not _is_of(pid, os.getpid(), after)
        ]
        if used:
            share, name = max(used)
            self.busiest = name, share


class _Process:
    def __init__(self, stat: str) -> None:
        self.name, _, rest = stat.partition("(")[2].rpartition(")")
        fields = rest.split()
        self.parent = int(fields[1])
        self.seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _seconds_by_process() -> dict[int, _Process]:
    found = {}
    for folder in PROC.glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):  # it has ended
            found[int(folder.name)] = _Process((folder / "stat").read_text())
    return found


def _is_of(pid: int, ancestor: int, processes: dict[int, _Process]) -> bool:
    while pid in processes:
        if pid == ancestor:
            return True
        pid = processes[pid].parent
    return False


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text()
    return ""
