"""What a result may depend on besides its settings: the code's commit, versions, the device, the command."""

import os
import platform
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning as L
import numpy
import torch
import torchmetrics
import torchvision

CPU_INFO = Path("/proc/cpuinfo")
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "sve", "bf16")


def describe_environment(trainer: L.Trainer) -> dict[str, Any]:
    """Return device, threads, precision, layout, seed, command, commit and versions of a run, as plain values."""
    seed = os.environ.get("PL_GLOBAL_SEED")
    return {
        "device": describe_device(trainer),
        "threads": torch.get_num_threads(),  # another number adds up in another order
        "precision": str(trainer.precision),
        "channels_last": bool(getattr(trainer, "channels_last", False)),
        "seed": int(seed) if seed else None,
        "command": shlex.join([_program(), *sys.argv[1:]]),
        "git_commit": git_commit(),
        "versions": versions(),
    }


def describe_device(trainer: L.Trainer) -> str:
    """Return the number of processes, the kind of device and its name."""
    device = trainer.strategy.root_device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return f"{trainer.world_size} × {device.type} ({name})"


def processor() -> str:
    """Return the name of the CPU's model, and the instruction sets that speed depends on."""
    with suppress(OSError):
        info = CPU_INFO.read_text(encoding="utf-8", errors="replace")
        model = re.search(r"model name\s*: (.*)", info)
        flags = re.search(r"(?:flags|Features)\s*: (.*)", info)
        there = [flag for flag in INSTRUCTIONS if flags is not None and flag in flags[1].split()]
        if model is not None or there:
            return " ".join([model[1] if model else platform.machine(), *there])
    return platform.processor() or platform.machine()


def git_commit(folder: Path = Path(__file__).parent) -> str | None:
    """Return the commit of the code in a folder, with "+changes" if files differ from it; None if git has none.

    Args:
        folder: A folder of the code; by default this file's, whatever folder the run is started in.
    """
    try:
        if not _git(folder, "ls-files"):  # installed below somebody else's repository
            return None
        commit = _git(folder, "rev-parse", "HEAD")
        return commit + ("+changes" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    run = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True)
    return run.stdout.strip()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that compute."""
    imported = {module.__name__: str(module.__version__) for module in (torch, torchvision, L, torchmetrics, numpy)}
    return {"python": platform.python_version(), **imported, "sklearn": version("scikit-learn")}


def _program() -> str:
    return "holdout" if Path(sys.argv[0]).stem in ("holdout", "main") else sys.argv[0]
