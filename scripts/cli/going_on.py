"""How far a run has trained, and what is left to do when it is started again."""

from pathlib import Path
from typing import Any

import lightning as L

from callbacks.checkpoint_io import check_resumable, load_checkpoint
from callbacks.files import display_path
from callbacks.lookup import time_is_up
from scripts.cli.errors import UsageError
from scripts.cli.first_process import command_to_go_on


def check_longer(checkpoint: Path, trainer: L.Trainer) -> None:
    """Check that a checkpoint has not trained for longer than the trainer is to.

    Raises:
        UsageError: It has.
        CheckpointError: It lacks what a run goes on from.
    """
    content = load_checkpoint(checkpoint)
    check_resumable(checkpoint, content)
    epochs, steps = epochs_ended(content), content.get("global_step", 0)
    if trainer.max_epochs is not None and 0 <= trainer.max_epochs < epochs:
        raise UsageError(f"{checkpoint} has trained {epochs} epochs already; raise --trainer.max_epochs above that")
    if 0 <= trainer.max_steps < steps:
        raise UsageError(f"{checkpoint} has trained {steps} steps already; raise --trainer.max_steps above that")


def epochs_ended(checkpoint: dict[str, Any]) -> int:
    """Return the number of epochs that had ended, or were validated to their end, when a checkpoint was written."""
    loops = checkpoint.get("loops", {}).get("fit_loop", {})
    batches = loops.get("epoch_loop.batch_progress", {})
    ended = loops.get("epoch_progress", {}).get("current", {}).get("processed", checkpoint["epoch"] + 1)
    return int(max(ended, checkpoint["epoch"] + bool(batches.get("is_last_batch"))))


def lacks_summary(checkpoint: Path, folder: Path | None) -> bool:
    """Return whether a run's folder lacks the summary of what a checkpoint in it has trained: it was killed before."""
    if folder is None or not checkpoint.is_relative_to(folder):
        return False
    summary = folder / "summary.json"
    return not summary.is_file() or summary.stat().st_mtime_ns < checkpoint.stat().st_mtime_ns


def nothing_left(checkpoint: Path, trainer: L.Trainer) -> str:
    """Return that a checkpoint has trained for as long as the trainer is to, and how to go on."""
    if time_is_up(trainer):
        return f"{checkpoint} has trained for as long as --trainer.max_time allows; raise that to continue"
    by_steps = 0 <= trainer.max_steps <= trainer.global_step
    done, limit = (trainer.global_step, "steps") if by_steps else (trainer.current_epoch, "epochs")
    return f"{checkpoint} has trained {done} {limit} already; raise --trainer.max_{limit} to continue"


def what_is_kept(folder: Path | None) -> str:
    """Return what a run's folder still holds to go on from, and how."""
    kept = [folder / "checkpoints" / name for name in ("last.ckpt", "best.ckpt")] if folder is not None else []
    path = next((path for path in kept if path.is_file()), None)
    if path is None:
        return "no checkpoint was kept"
    return f"{display_path(path)} is whole; {command_to_go_on(display_path(path))}"
