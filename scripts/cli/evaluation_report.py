"""The metrics of an evaluation: printed, and kept in the run's folder."""

import json
from collections.abc import Mapping
from pathlib import Path

from callbacks import load_checkpoint
from callbacks.files import write_text
from callbacks.weight_averaging import WEIGHTS_KEY


def report_metrics(checkpoint: Path | None, weights: str | None, data: str, metrics: Mapping[str, float]) -> None:
    """Print metrics, one a line, below the checkpoint, the data and, if the checkpoint says, the weights measured."""
    print(f"{checkpoint}: {data}" + (f"\nweights: {weights}" if weights else ""))
    width = max(map(len, metrics))
    print("\n".join(f"  {name:<{width}}  {value:.4f}" for name, value in metrics.items()))


def write_metrics(path: Path, checkpoint: Path | None, weights: str | None, metrics: Mapping[str, float]) -> None:
    """Write metrics and their checkpoint as JSON."""
    stated = {"weights": weights} if weights else {}
    result = {"checkpoint": str(checkpoint), **stated, "metrics": dict(metrics)}
    write_text(path, json.dumps(result, indent=2) + "\n")


def weights_note(checkpoint: Path | None) -> str | None:
    """Return the checkpoint's note on its weights (averaged, say); None if they are as training left them."""
    weights = None if checkpoint is None else load_checkpoint(checkpoint).get(WEIGHTS_KEY)
    return weights if isinstance(weights, str) else None
