"""What is said beside the figures of an evaluation: averaged weights, the calibration, the views of each sample."""

from pathlib import Path
from typing import Any

from callbacks import load_checkpoint
from callbacks.weight_averaging import WEIGHTS_KEY
from models import Regressor, Task
from models.calibrated import CalibratedModule
from scripts.cli.session import Session


def notes(session: Session) -> list[str]:
    """Return a line on each, for people."""
    facts, task = stated(session), session.model
    if not isinstance(task, Task):
        return []
    lines = [f"weights: {facts['weights']}"] if "weights" in facts else []
    lines += [f"test-time augmentation: {task.views.description}"] if task.views is not None else []
    if task.calibration is not None:
        lines.append(f"calibrated: {calibration_words(task)}")
        fitted, now = task.calibration.views, task.views.description if task.views is not None else ""
        if fitted != now:
            lines.append(
                f"the calibration was fitted with {fitted or 'no test-time augmentation'}, and says little here; "
                "calibrate with the same"
            )
    return lines


def stated(session: Session) -> dict[str, Any]:
    """Return the same as plain values, for JSON; nothing is in it that there is not."""
    weights, task = weights_note(session.checkpoint), session.model
    if not isinstance(task, Task):
        return {}
    return {
        **({"weights": weights} if weights else {}),
        **({"test_time_augmentation": task.views.description} if task.views is not None else {}),
        **task.calibration_record(),
    }


def calibration_words(task: CalibratedModule) -> str:
    """Return a calibration in words: "temperature 1.37; prediction sets of coverage 0.9"."""
    calibration = task.calibration
    assert calibration is not None
    words = [] if isinstance(task, Regressor) else [f"temperature {calibration.temperature:.4g}"]
    if calibration.conformal is not None and not isinstance(task, Regressor):
        words.append(f"prediction sets of coverage {calibration.conformal.coverage:g}")
    if calibration.conformal is not None and isinstance(task, Regressor):
        words.append(f"intervals of coverage {calibration.conformal.coverage:g}: {interval_words(task)}")
    return "; ".join(words)


def interval_words(task: Regressor) -> str:
    """Return how far the intervals of a regressor reach: "± 1.5", one for each output."""
    half = task.interval_half_widths()
    assert half is not None
    return ", ".join(f"± {value:.4g}" for value in half.tolist())


def weights_note(checkpoint: Path | None) -> str | None:
    """Return the checkpoint's note on its weights (averaged, say); None if they are as training left them."""
    weights = None if checkpoint is None else load_checkpoint(checkpoint).get(WEIGHTS_KEY)
    return weights if isinstance(weights, str) else None
