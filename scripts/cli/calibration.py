"""The job that calibrates a checkpoint on its validation part."""

import os
from contextlib import nullcontext
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from callbacks import ValidationOutputs
from callbacks.checkpoint_io import add_to_checkpoint
from callbacks.files import display_path
from callbacks.lookup import find_callback
from callbacks.printing import say
from callbacks.reliability import panel_names, save_reliability
from datamodules.atomic_write import WriteError
from models.calibration import Calibration
from models.calibration.calibration import CALIBRATION_KEY
from models.calibration.temperature import HIGHEST, LOWEST
from models.metrics.calibration import JUDGES, expected_gap, reliability_bins
from models.task import Task
from scripts.cli.errors import UsageError
from scripts.cli.notes import calibration_words
from scripts.cli.run_lock import locked
from scripts.cli.runs import may_write
from scripts.cli.session import Session

COVERAGE = 0.9
FEW_SAMPLES = 100


def coverage_of(text: str | None) -> float:
    """Return the coverage that the user asks for.

    Raises:
        UsageError: It is not a number between 0 and 1.
    """
    try:
        coverage = COVERAGE if text is None else float(text)
    except ValueError as error:
        raise UsageError(f"--coverage {text} is not a number") from error
    if not 0 < coverage < 1:
        raise UsageError(f"--coverage {text} is not between 0 and 1; 0.9 is nine of ten")
    return coverage


def check_calibration(coverage: str | None, checkpoint: Path) -> None:
    """Check what a calibration needs before any work: a coverage, and a checkpoint that can be written.

    Raises:
        UsageError: One is missing.
    """
    coverage_of(coverage)
    if not os.access(checkpoint, os.W_OK) or not os.access(checkpoint.parent, os.W_OK):
        raise UsageError(f"{display_path(checkpoint)} is read-only, and calibrate writes into it; copy it first")


def calibrate(session: Session) -> None:
    """Fit a calibration on the validation part, keep it in the checkpoint, and print what it changes."""
    trainer, task, checkpoint = session.trainer, session.model, session.checkpoint
    assert checkpoint is not None
    kept = find_callback(trainer, ValidationOutputs)
    assert kept is not None
    writes = trainer.is_global_zero and not trainer.fast_dev_run  # type: ignore[attr-defined]
    in_run = may_write(session.folder)
    with locked(session.folder) if writes and in_run else nullcontext():
        with session.fitting_weights():
            trainer.validate(task, datamodule=session.data, ckpt_path=checkpoint, verbose=False)
        if not trainer.is_global_zero:
            return
        calibration = _fit(task, kept, coverage_of(session.settings["coverage"]))
        if writes:
            _keep(checkpoint, calibration)
    task.take_calibration(calibration)
    say(
        f"{checkpoint}: {session.data.describe()}",
        f"calibrated on {calibration.samples:,} validation samples: {calibration_words(task)}",
        *_changes(task, kept.outputs, kept.targets),
        f"kept in {display_path(checkpoint)}: test and predict use it" if writes else "fast_dev_run: nothing is kept",
    )
    diagrams = reliability_of(task, kept.outputs, kept.targets)
    if diagrams and writes and in_run:
        save_reliability(trainer, task, diagrams, "val")


def _fit(task: Task, kept: ValidationOutputs, coverage: float) -> Calibration:
    try:
        return task.fit_calibration(kept.outputs, kept.targets, coverage)
    except ValueError as error:
        raise UsageError(f"{error}; give a lower --coverage") from error


def _keep(checkpoint: Path, calibration: Calibration) -> None:
    try:
        add_to_checkpoint(checkpoint, {CALIBRATION_KEY: calibration.to_plain()})
    except WriteError as error:
        raise UsageError(str(error)) from error


def reliability_of(task: Task, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Return the panels of a reliability diagram, before and after the task's temperature; none for regression.

    Args:
        task: A calibrated task.
        outputs: Its outputs without calibration, (N, ...).
        targets: (N, ...).
    """
    judge = JUDGES.get(task.takes)
    if judge is None:
        return {}
    both = zip(panel_names(task.temperature), (outputs, task.to_predictions(outputs)), strict=False)
    return {name: reliability_bins(*judge(logits, targets)) for name, logits in both}


def _changes(task: Task, outputs: Tensor, targets: Tensor) -> list[str]:
    """Return lines on what the temperature changes, and on one that is not where the cross entropy is least."""
    pairs = task.temperature_pairs(outputs, targets)
    if pairs is None:
        return []
    logits, labels = pairs
    losses = [F.cross_entropy(logits.double() / by, labels).item() for by in (1.0, task.temperature)]
    panels = reliability_of(task, outputs, targets)
    errors = [expected_gap(bins).item() for bins in panels.values()]
    lines = [
        f"  negative log-likelihood     {losses[0]:.4f} before   {losses[1]:.4f} after",
        f"  expected calibration error  {errors[0]:.4f} before   {errors[-1]:.4f} after",
    ]
    if bool((logits.argmax(-1) == labels).all()):
        lines.append("  every validation sample is right: the temperature follows from their number")
    elif losses[1] > losses[0]:
        lines.append(
            "  worse here, on purpose: half a sample of label smoothing guards against overconfidence elsewhere"
        )
    elif len(labels) < FEW_SAMPLES:
        lines.append(f"  {len(labels)} samples are few: the temperature may not fit other data")
    elif task.temperature in (LOWEST, HIGHEST):
        lines.append(f"  the temperature is the bound of what is tried, {LOWEST:g} to {HIGHEST:g}")
    return lines
