"""Rank 0, which the processes that it has started follow from their first line on, before torch is imported."""

import os
import shlex
import sys
import threading
import time
from pathlib import Path

FIRST_VARIABLE = "HOLDOUT_FIRST_PROCESS"  # process id of rank 0, and the pipe on which it is told why another failed
RUN_FOLDER_VARIABLE = "HOLDOUT_RUN_FOLDER"  # tells the processes that DDP starts which folder the first one chose
POLL = 0.2  # seconds
_followed: set[int] = set()


def follow(named: str) -> int:
    """End this process when rank 0 is gone, and say what that one cannot; return the pipe to it.

    Args:
        named: What rank 0 has set `FIRST_VARIABLE` to.
    """
    first, pipe = map(int, named.split(":"))
    if first not in _followed:
        _followed.add(first)
        threading.Thread(target=_watch, args=(first,), name="first-process-watch", daemon=True).start()
    return pipe


def command_to_go_on(checkpoint: str) -> str:
    """Return how to go on from a checkpoint, as a part of a sentence."""
    return f"go on with: holdout fit --ckpt_path {shlex.quote(checkpoint)}"


def how_to_go_on() -> str:
    """Return how the run that is cut off goes on, as the end of a sentence; "" if nothing was kept."""
    last = Path(os.environ.get(RUN_FOLDER_VARIABLE, os.devnull)) / "checkpoints" / "last.ckpt"
    return f"; {command_to_go_on(str(last))}" if last.is_file() else ""


def _watch(first: int) -> None:
    while os.getppid() == first:
        time.sleep(POLL)
    if os.environ.get("LOCAL_RANK") == "1":
        print(f"holdout: error: rank 0 (process {first}) was killed{how_to_go_on()}", file=sys.stderr, flush=True)
    os._exit(1)
