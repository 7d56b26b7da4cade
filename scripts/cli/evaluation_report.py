"""What an evaluation measured: printed, and kept in the run's folder."""

import json
from collections.abc import Mapping
from pathlib import Path

from callbacks import load_checkpoint
from callbacks.files import write_text
from callbacks.weight_averaging import WEIGHTS_KEY


def report_metrics(checkpoint: Path | None, weights: str | None, data: str, figures: Mapping[str, float]) -> None:
    """Print figures under what was measured on what, with which weights where the checkpoint says so, one a line."""
    print(f"{checkpoint}: {data}" + (f"\nweights: {weights}" if weights else ""))
    width = max(map(len, figures))
    print("\n".join(f"  {name:<{width}}  {value:.4f}" for name, value in figures.items()))


def write_metrics(path: Path, checkpoint: Path | None, weights: str | None, figures: Mapping[str, float]) -> None:
    """Write figures and the checkpoint they are of as JSON."""
    stated = {"weights": weights} if weights else {}
    result = {"checkpoint": str(checkpoint), **stated, "figures": dict(figures)}
    write_text(path, json.dumps(result, indent=2) + "\n")


def weights_note(checkpoint: Path | None) -> str | None:
    """Return what a checkpoint says of its weights; None where it says nothing: they are as training left them."""
    weights = None if checkpoint is None else load_checkpoint(checkpoint).get(WEIGHTS_KEY)
    return weights if isinstance(weights, str) else None
