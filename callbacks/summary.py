"""What a run came to: the last lines that `fit` prints, and `summary.json`."""

import json
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning as L
import numpy
import sklearn
import torch
import torchmetrics
import torchvision
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.exceptions import SIGTERMException

from callbacks.files import display_path, write_text
from callbacks.generalization_gap import worse_by
from callbacks.history import History, Row, epochs_done, shared_metrics
from callbacks.lookup import find_callback, run_folder
from callbacks.presets import Checkpoint, EarlyStopping, Mode, at_epoch_end, monitor_mode

EVALUATED_ALIKE, TRAINING = "training samples evaluated alike", "training"
BELOW_ZERO = "(below 0: training is measured during the epoch, with dropout, augmentation and label noise, if any)"


class Summary(L.Callback):
    """Prints the best epoch, its figures and the gap to training, and writes them to `summary.json`.

    Needs a `History` beside it.

    Args:
        monitor: Figure that decides which epoch is the best.
        mode: "min" or "max"; by default right for the figure.
    """

    def __init__(self, monitor: str = "val/loss", mode: Mode | None = None) -> None:
        self.monitor = monitor
        self.mode: Mode = mode or monitor_mode(monitor) or "min"
        self.reported = False

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print and write the summary."""
        folder = run_folder(trainer)
        history = find_callback(trainer, History)
        self.reported = True
        if history is None or not trainer.is_global_zero:
            return
        best = history.best(self.monitor, self.mode)
        summary: dict[str, Any] = {
            "epochs": len(history.rows),
            "stopped": self._reason(trainer),
            "monitor": self.monitor,
            "best": best,
            "best_is_last": best is not None and best is history.measured(self.monitor)[-1],
            "gap": generalization_gap(best or {}),
            "gap_to": gap_to(best or {}),
            "last": history.rows[-1] if history.rows else None,
            "wall_seconds": round(history.wall_seconds, 3),
            "samples_per_second": round(history.samples / history.train_seconds) if history.train_seconds else None,
            "parameters": {
                "total": sum(p.numel() for p in pl_module.parameters()),
                "trainable": sum(p.numel() for p in pl_module.parameters() if p.requires_grad),
            },
            "device": describe_device(trainer),
            "threads": torch.get_num_threads(),  # another number sums in another order
            "precision": str(trainer.precision),
            "seed": int(seed) if (seed := os.environ.get("PL_GLOBAL_SEED")) else None,
            "command": shlex.join([_program(), *sys.argv[1:]]),
            "git_commit": git_commit(),
            "versions": versions(),
        }
        if folder is not None:
            write_text(folder / "summary.json", json.dumps(summary, indent=2) + "\n")
        print("\n".join(self._lines(trainer, summary)), flush=True)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Say how to go on after an interruption, or that there is nothing to go on from."""
        stopped = trainer.state.fn == TrainerFn.FITTING and isinstance(exception, KeyboardInterrupt | SIGTERMException)
        if not stopped or not trainer.is_global_zero:
            return
        folder = run_folder(trainer)
        kept = [folder / "checkpoints" / name for name in ("last.ckpt", "best.ckpt")] if folder is not None else []
        path = next((path for path in kept if path.is_file()), None)
        command = f"go on with: holdout fit --ckpt_path {shlex.quote(display_path(path))}" if path is not None else ""
        after = command or "nothing was kept"
        print(f"\ninterrupted in epoch {trainer.current_epoch + 1}; {after}", flush=True)

    def _reason(self, trainer: L.Trainer) -> str:
        stopping = find_callback(trainer, EarlyStopping)
        if stopping is not None and stopping.wait_count >= stopping.patience:
            each_epoch = (trainer.val_check_interval, trainer.check_val_every_n_epoch) == (1.0, 1)
            unit = "epochs" if each_epoch or at_epoch_end(stopping.monitor) else "validations"
            return f"early: {stopping.monitor} has not improved for {stopping.wait_count} {unit}"
        if trainer.max_epochs is not None and 0 <= trainer.max_epochs <= trainer.current_epoch:
            return "max_epochs"
        return "max_steps" if 0 < trainer.max_steps <= trainer.global_step else "stopped"

    def _lines(self, trainer: L.Trainer, summary: dict[str, Any]) -> list[str]:
        best, gap = summary["best"], summary["gap"]
        if best is None:
            return [f"trained {summary['epochs']} epochs; nothing was validated"]
        early = f" (stopped {summary['stopped']})" if summary["stopped"].startswith("early") else ""
        last = " (the last: it may not have converged yet)" if summary["best_is_last"] else ""
        lines = [f"\nbest epoch {round(epochs_done(best), 2):g} of {summary['epochs']} by {self.monitor}{early}{last}"]
        for stage in ("val", "train"):
            figures = [f"{name} {value:.4f}" for name, value in best.items() if name.startswith(f"{stage}/")]
            lines += ["  " + "   ".join(figures)] if figures else []
        lines += _gap_lines(gap, summary["gap_to"])
        memorized = {name: value for name, value in best.items() if name.startswith("memorization/")}
        lines += ["  " + "   ".join(f"{name} {value:.4f}" for name, value in memorized.items())] if memorized else []
        checkpoint = find_callback(trainer, Checkpoint)
        path = checkpoint.best_model_path if checkpoint is not None else ""
        if path:
            lines.append(f"checkpoint  {display_path(path)}")
        figures_folder = (run_folder(trainer) or Path()) / "figures"
        if figures_folder.is_dir():
            lines.append(f"figures     {display_path(figures_folder)}")
        if path:
            lines.append(f"test it     holdout test --ckpt_path {shlex.quote(display_path(path))}")
        return lines


def generalization_gap(row: Row) -> dict[str, float]:
    """Return by how much validation is worse than training, figure by figure; above 0 is the usual direction.

    What `GeneralizationGap` measured, if it did; the difference to the epoch's training figures otherwise.
    """
    measured = sorted((name for name in row if name.startswith("gap/")), key=lambda name: (name != "gap/loss", name))
    if measured:
        return {name.removeprefix("gap/"): row[name] for name in measured}
    names = [name for name in shared_metrics([row]) if f"val/{name}" in row]
    validated, trained = ({name: row[f"{stage}/{name}"] for name in names} for stage in ("val", "train"))
    return worse_by(validated, trained)


def gap_to(row: Row) -> str:
    """Return what `generalization_gap` compares validation with: EVALUATED_ALIKE, or the epoch's TRAINING figures."""
    return EVALUATED_ALIKE if any(name.startswith("gap/") for name in row) else TRAINING


def _gap_lines(gap: dict[str, float], compared: str) -> list[str]:
    if not gap:
        return []
    shown = [f"{name} {value:+.4f}" for name, value in gap.items()]
    shown += [BELOW_ZERO] if min(gap.values()) < 0 and compared == TRAINING else []
    return [f"  gap, {compared} to validation: " + "   ".join(shown)]


def describe_device(trainer: L.Trainer) -> str:
    """Return what a run computed on: device name and number of processes."""
    device = trainer.strategy.root_device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return f"{trainer.world_size} × {device.type} ({name})"


def git_commit(folder: Path = Path(__file__).parent) -> str | None:
    """Return the commit that a folder's code is of, with "+changes" if that is not all; None where git knows of none.

    Args:
        folder: Where the code lies; a run is of its code's commit, wherever it is started.
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
    """Return the versions that a result may depend on."""
    modules = (torch, torchvision, L, torchmetrics, numpy, sklearn)
    return {"python": platform.python_version()} | {module.__name__: str(module.__version__) for module in modules}


def _program() -> str:
    """Return what was typed: the command itself, whichever way it was started, or a script of the user's own."""
    return "holdout" if Path(sys.argv[0]).stem in ("holdout", "main") else sys.argv[0]
