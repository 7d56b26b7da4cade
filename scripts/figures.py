"""What an evaluation measured: printed, and kept in the run's folder."""

import json
from collections.abc import Mapping
from pathlib import Path

from callbacks.files import write_text


def report_figures(checkpoint: Path | None, data: str, figures: Mapping[str, float]) -> None:
    """Print figures under what was measured on what, one a line."""
    print(f"{checkpoint}: {data}")
    width = max(map(len, figures))
    print("\n".join(f"  {name:<{width}}  {value:.4f}" for name, value in figures.items()))


def write_figures(path: Path, checkpoint: Path | None, figures: Mapping[str, float]) -> None:
    """Write figures and the checkpoint they are of as JSON."""
    result = {"checkpoint": str(checkpoint), "figures": dict(figures)}
    write_text(path, json.dumps(result, indent=2) + "\n")
