"""What is said beside the figures of an evaluation: averaged weights, the calibration, the views of each sample."""

from pathlib import Path
from typing import Any

from callbacks import load_checkpoint
from callbacks.weight_averaging import WEIGHTS_KEY
from models import Regressor
from models.calibrated import CalibratedModule
from scripts.cli.session import Session


def notes(session: Session) -> list[str]:
    """Return a line on each, for people."""
    facts, task = stated(session), session.model
    lines = [f"weights: {facts['weights']}"] if "weights" in facts else []
    views = facts.get("test_time_augmentation", "")
    lines += [f"test-time augmentation: {views}"] if views else []
    if isinstance(task, CalibratedModule) and task.calibration is not None:
        lines.append(f"calibrated: {calibration_words(task)}")
        if task.calibration.views != views:
            fitted = task.calibration.views or "no test-time augmentation"
            lines.append(f"the calibration was fitted with {fitted}, and says little here; calibrate with the same")
    return lines


def stated(session: Session) -> dict[str, Any]:
    """Return the same as plain values, for JSON; nothing is in it that there is not."""
    weights, task = weights_note(session.checkpoint), session.model
    facts = {"weights": weights} if weights else {}
    if not isinstance(task, CalibratedModule):
        return facts
    views = {} if task.views is None else {"test_time_augmentation": task.views.description}
    return {**facts, **views, **task.calibration_record()}


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
