"""The result of a run: the last lines that `fit` prints, and `summary.json`."""

import json
import shlex
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import lightning as L
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_warn
from lightning.pytorch.utilities.exceptions import SIGTERMException
from typing_extensions import override

from callbacks.best_epoch import BestEpochCallback
from callbacks.checkpoints import Checkpoint
from callbacks.early_stopping import EarlyStopping
from callbacks.environment import describe_environment
from callbacks.files import display_path, write_text
from callbacks.generalization_gap import gaps
from callbacks.history import History, Row, epochs_done, moment, shared_metrics
from callbacks.last_checkpoint import LastCheckpoint
from callbacks.lookup import callbacks_of, find_callback, run_folder, time_is_up
from callbacks.monitor import at_epoch_end, metric_mode
from callbacks.printing import metric_lines, say
from models.evaluated import Mode
from models.own_code import with_place

TRAINING = "training"
FAILURE_FILE = "failure.txt"
BELOW_ZERO = "  (below 0: training is measured during the epoch, with regularization on)"


class Summary(BestEpochCallback):
    """Prints the best epoch, its metrics and the generalization gap, and writes them to `summary.json`.

    Any callback adds to it by methods that take the best epoch's metrics: `summary_lines(best)` returns lines to print,
    `summary(best)` keys of the file, and `command_lines(checkpoint)`, given the file of the best epoch, how to go on;
    `recipe_flag(checkpoint)` returns what an interrupted run needs besides its checkpoint to be resumed.

    An error that ends training is kept in `failure.txt`, until the run is resumed.

    Args:
        monitor: Metric that decides which epoch is the best.
        mode: "min" or "max"; by default the direction that the metric has.

    Attributes:
        reported: True once training has ended and the summary is printed.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self, monitor: str = "val/loss", mode: Mode | None = None) -> None:
        super().__init__(monitor, mode)
        self.reported = False
        self._began = False

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._began = True
        _forget_failure(trainer)

    @override
    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        folder = run_folder(trainer)
        history = History.of(trainer)
        self.reported = True
        if not trainer.is_global_zero:
            return
        best = self.best(trainer)
        summary: dict[str, Any] = {
            "epochs": epochs_done(history.rows[-1]) if history.rows else 0,
            "stopped": _reason(trainer),
            "monitor": self.monitor,
            "mode": self.mode,
            "best": best,
            "best_is_last": best is not None and best is history.measured(self.monitor)[-1],
            "gap": gap_to_training(pl_module, best or {}),
            "gap_to": TRAINING,
            "last": history.rows[-1] if history.rows else None,
            "last_gap": gap_to_training(pl_module, history.rows[-1] if history.rows else {}),
            "metric_modes": _modes(pl_module),
            "wall_seconds": round(history.wall_seconds, 3),
            "samples_per_second": round(history.samples / history.train_seconds) if history.train_seconds else None,
            "parameters": {
                "total": sum(p.numel() for p in pl_module.parameters()),
                "trainable": sum(p.numel() for p in pl_module.parameters() if p.requires_grad),
            },
            **describe_environment(trainer),
        }
        for added in ask_callbacks(trainer, "summary", best or {}, check=_check_keys):
            summary |= added
        _forget_failure(trainer)
        if folder is not None:
            write_text(folder / "summary.json", json.dumps(summary, indent=2) + "\n")
        if best is None and not any(name.startswith("val/") for row in history.in_order() for name in row):
            say(f"trained {round(summary['epochs'], 2):g} epochs; nothing was validated")
            return
        lines = unmonitored_lines(summary) if best is None else result_lines(summary)
        for added in () if best is None else ask_callbacks(trainer, "summary_lines", best, check=_check_lines):
            lines += added
        lines.append(time_line(summary))
        kept = find_callback(trainer, Checkpoint if best is not None else LastCheckpoint)
        path = display_path(kept.best_model_path) if kept is not None and kept.best_model_path else ""
        lines += file_lines(path, run_folder(trainer))
        for added in ask_callbacks(trainer, "command_lines", path, check=_check_lines) if path else ():
            lines += added
        say("", *lines)

    @override
    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        if trainer.state.fn != TrainerFn.FITTING or not trainer.is_global_zero:
            return
        folder = run_folder(trainer)
        if not isinstance(exception, KeyboardInterrupt | SIGTERMException):
            if self._began and folder is not None and isinstance(exception, Exception):
                _keep_failure(folder, trainer.current_epoch, exception)
            return
        kept = [folder / "checkpoints" / name for name in ("last.ckpt", "best.ckpt")] if folder is not None else []
        path = next((path for path in kept if path.is_file()), None)
        after = "no checkpoint was written"
        if path is not None:
            recipe = "".join(ask_callbacks(trainer, "recipe_flag", path, check=_check_text))
            after = f"resume with: holdout fit {recipe}--ckpt_path {shlex.quote(display_path(path))}"
        say("", f"interrupted in epoch {trainer.current_epoch + 1}; {after}")


def _keep_failure(folder: Path, epoch: int, error: Exception) -> None:
    """Write what ended training; a run that kept nothing else is removed with it."""
    said = " ".join(str(error).split()) or type(error).__name__
    with suppress(OSError):  # the disk may be full: that may be the error
        write_text(folder / FAILURE_FILE, f"in epoch {epoch + 1}: {said}\n")


def _forget_failure(trainer: L.Trainer) -> None:
    folder = run_folder(trainer)
    if folder is not None and trainer.is_global_zero:
        (folder / FAILURE_FILE).unlink(missing_ok=True)


def ask_callbacks(trainer: L.Trainer, method: str, given: Any, check: Callable[[Any], None]) -> list[Any]:
    """Return what each callback that has a method returns from it; warn of one that fails, so that the rest is said.

    Args:
        trainer: The trainer.
        method: Name of the method.
        given: Its argument.
        check: Raises a TypeError for what cannot be used.
    """
    found = []
    for callback in callbacks_of(trainer):
        if not hasattr(callback, method):
            continue
        try:
            added = getattr(callback, method)(given)
            check(added)
        except Exception as error:  # it must not cost the report of a training that is done
            said = f"{type(callback).__name__}.{method} is left out: {type(error).__name__}: {error}"
            rank_zero_warn(with_place(said, error))
        else:
            found.append(added)
    return found


def _check_keys(added: Any) -> None:
    if not isinstance(added, dict):
        raise TypeError(f"it must return a dict, not {added!r}")
    json.dumps(added)


def _check_text(added: Any) -> None:
    if not isinstance(added, str):
        raise TypeError(f"it must return a text, not {added!r}")


def _check_lines(added: Any) -> None:
    if not isinstance(added, list) or not all(isinstance(line, str) for line in added):
        raise TypeError(f"it must return a list of lines, not {added!r}")


def gap_to_training(module: L.LightningModule, row: Row) -> dict[str, float]:
    """Return by how much an epoch's validation is worse than its training metrics, by name."""
    names = [name for name in shared_metrics([row]) if f"val/{name}" in row]
    validated, trained = ({name: row[f"{part}/{name}"] for name in names} for part in ("val", "train"))
    return gaps(module, validated, trained)


def _modes(module: L.LightningModule) -> dict[str, str]:
    """Return which way each metric of validation is better, "min" or "max", by its name without "val/"."""
    names = [name for name in getattr(module, "metric_modes", dict)() if name.startswith("val/")]
    modes = {name.removeprefix("val/"): metric_mode(module, name) for name in names}
    return {name: mode for name, mode in modes.items() if mode is not None}


def _reason(trainer: L.Trainer) -> str:
    stopping = find_callback(trainer, EarlyStopping)
    if stopping is not None and stopping.wait_count >= stopping.patience:
        each_epoch = (trainer.val_check_interval, trainer.check_val_every_n_epoch) == (1.0, 1)
        unit = "epochs" if each_epoch or at_epoch_end(stopping.monitor) else "validations"
        return f"early: {stopping.monitor} has not improved for {stopping.wait_count} {unit}"
    if trainer.max_epochs is not None and 0 <= trainer.max_epochs <= trainer.current_epoch:
        return "max_epochs"
    if 0 < trainer.max_steps <= trainer.global_step:
        return "max_steps"
    return "max_time" if time_is_up(trainer) else "stopped"


def result_lines(summary: dict[str, Any]) -> list[str]:
    """Return the printed lines about the best epoch, its metrics and the gap.

    Args:
        summary: The content of `summary.json`; "best" is not None.
    """
    best, gap = summary["best"], summary["gap"]
    last = " (the last: it may not have converged yet)" if summary["best_is_last"] else ""
    lines = [f"best epoch {moment(best)} of {round(summary['epochs'], 2):g} by {summary['monitor']}{last}"]
    lines += [f"  stopped {summary['stopped']}"] if summary["stopped"].startswith("early") else []
    lines += ["  stopped by max_time"] if summary["stopped"] == "max_time" else []
    for part in ("val", "train"):
        lines += metric_lines({name: value for name, value in best.items() if name.startswith(f"{part}/")})
    lines += metric_lines(gap, f"gap to {summary['gap_to']}: ", "+")
    lines += [BELOW_ZERO] if gap and min(gap.values()) < 0 and summary["gap_to"] == TRAINING else []
    return lines


def unmonitored_lines(summary: dict[str, Any]) -> list[str]:
    """Return the printed lines about a training whose monitored metric was never measured: its last metrics."""
    lines = [f"trained {round(summary['epochs'], 2):g} epochs; {summary['monitor']} was not measured"]
    for part in ("val", "train"):
        lines += metric_lines({name: value for name, value in summary["last"].items() if name.startswith(f"{part}/")})
    return lines


def time_line(summary: dict[str, Any]) -> str:
    """Return the printed line on how long a run took, and how fast it trained."""
    speed = summary["samples_per_second"]
    each = f", {speed:,} training samples per second" if speed else ""
    return f"time        {timedelta(seconds=round(summary['wall_seconds']))}{each}"


def file_lines(checkpoint: str, folder: Path | None) -> list[str]:
    """Return the printed lines that say where the checkpoint, if any, and the figures of a run's folder lie."""
    figures = (folder or Path()) / "figures"
    lines = [f"checkpoint  {checkpoint}"] if checkpoint else []
    return lines + ([f"figures     {display_path(figures)}"] if figures.is_dir() else [])
