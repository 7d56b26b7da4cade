"""What a suite is told."""

import contextlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import lightning as L

from scripts.cli.training import fit_recipe


@dataclass(frozen=True)
class Setup:
    """Where a suite finds its data, and how much it does.

    Attributes:
        data_dir: Folder of the datasets.
        folder: An empty folder for what it writes.
        quick: Whether a look is enough: less work in each measurement.
    """

    data_dir: str
    folder: Path
    quick: bool = False


def fit(settings: Mapping[str, str], folder: Path, recipe: Path | None = None) -> L.Trainer:
    """Run `holdout fit` in this process, without a word, and return its trainer."""
    words = [] if recipe is None else ["-c", str(recipe)]
    words += [f"--{key}={value}" for key, value in settings.items()]
    with contextlib.redirect_stdout(io.StringIO()):
        return fit_recipe([*words, "--trainer.enable_progress_bar=false", f"--runs_dir={folder}"]).trainer


def forever(loader: object) -> Iterator[object]:
    """Yield the batches of a loader, over and over."""
    while True:
        yield from loader  # type: ignore[misc]
