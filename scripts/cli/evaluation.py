"""The jobs that measure a checkpoint: metrics, printed and as JSON."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from callbacks import load_checkpoint
from callbacks.files import display_path, write_text
from callbacks.printing import metric_name, say
from callbacks.weight_averaging import WEIGHTS_KEY
from scripts.cli.session import Session

EVALUATED_PARTS = {"validate": ("val", "validation.json"), "test": ("test", "test.json")}


def evaluate(session: Session) -> None:
    """Measure a checkpoint, print its metrics and write them into the run's folder."""
    trainer, checkpoint = session.trainer, session.checkpoint
    part, file = EVALUATED_PARTS[session.job.name]
    measure = trainer.validate if part == "val" else trainer.test
    with session.fitting_weights():
        metrics = measure(session.model, datamodule=session.data, ckpt_path=checkpoint, verbose=False)[0]
    if not trainer.is_global_zero:
        return
    weights = weights_note(checkpoint)
    report_metrics(checkpoint, weights, session.data.describe(), metrics)
    limit = session.settings["trainer"][f"limit_{part}_batches"]
    if limit not in (None, 1.0) or isinstance(limit, int):  # 1 is one batch, 1.0 all of them
        say(f"  measured on a part alone (limit_{part}_batches {limit}): {file} is left as it is")
    elif session.folder is not None and not os.access(session.folder, os.W_OK):
        say(f"  {display_path(session.folder)} is read-only: nothing is written")
    elif session.folder is not None:
        write_metrics(session.folder / file, checkpoint, weights, metrics)


def report_metrics(checkpoint: Path | None, weights: str | None, data: str, metrics: Mapping[str, float]) -> None:
    """Print metrics, one a line, below the checkpoint, the data and, if the checkpoint says, the weights measured."""
    named = {metric_name(name): value for name, value in metrics.items()}
    width = max(map(len, named))
    noted = [f"weights: {weights}"] if weights else []
    say(f"{checkpoint}: {data}", *noted, *(f"  {name:<{width}}  {value:.4f}" for name, value in named.items()))


def write_metrics(path: Path, checkpoint: Path | None, weights: str | None, metrics: Mapping[str, float]) -> None:
    """Write metrics and their checkpoint as JSON."""
    stated = {"weights": weights} if weights else {}
    result = {"checkpoint": str(checkpoint), **stated, "metrics": dict(metrics)}
    write_text(path, json.dumps(result, indent=2) + "\n")


def weights_note(checkpoint: Path | None) -> str | None:
    """Return the checkpoint's note on its weights (averaged, say); None if they are as training left them."""
    weights = None if checkpoint is None else load_checkpoint(checkpoint).get(WEIGHTS_KEY)
    return weights if isinstance(weights, str) else None
