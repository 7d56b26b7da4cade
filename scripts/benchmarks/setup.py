"""What a suite is told."""

import contextlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import torch

from models import Task
from scripts.cli.training import fit_recipe

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Setup:
    """Where a suite finds its data, and how much it does.

    Attributes:
        data_dir: Folder of the datasets.
        folder: An empty folder for what it writes.
        quick: Whether a look is enough: less work in each measurement.
        accelerator: "cpu" or "gpu", for the suites that train on either: an epoch of the MLP, ResNet's steps, CIFAR-10.
    """

    data_dir: str
    folder: Path
    quick: bool = False
    accelerator: str = "cpu"

    @property
    def device(self) -> torch.device:
        """The device that rivals train on."""
        return torch.device("cuda" if self.accelerator == "gpu" else "cpu")


def fit(settings: Mapping[str, str], folder: Path, recipe: Path | None = None) -> L.Trainer:
    """Run `holdout fit` in this process, without a word, and return its trainer."""
    words = _words(settings, folder, recipe)
    with contextlib.redirect_stdout(io.StringIO()):
        return fit_recipe([*words, "--trainer.enable_progress_bar=false"]).trainer


def _words(settings: Mapping[str, str], folder: Path, recipe: Path | None) -> list[str]:
    words = [] if recipe is None else ["-c", str(recipe)]
    return [*words, *(f"--{key}={value}" for key, value in settings.items()), f"--runs_dir={folder}"]


def said_by(words: Sequence[str], said: str, **environment: str) -> str:
    """Run Python on some words, in a process that finds this project; return what it prints after `said`."""
    variables = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True, env=variables)
    line = next(line for line in done.stdout.splitlines() if said in line)
    return line.partition(said)[2]


def fit_alone(settings: Mapping[str, str], setup: Setup, said: str, recipe: Path | None = None) -> str:
    """Run `holdout fit` in a separate process, and return what a callback prints after `said`."""
    return said_by(["-m", "scripts.main", "fit", *_words(settings, setup.folder, recipe)], said)


def now(device: torch.device) -> float:
    """Return the time in seconds at which a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def forever(loader: object) -> Iterator[object]:
    """Yield the batches of a loader, over and over."""
    while True:
        yield from loader  # type: ignore[misc]


@torch.no_grad()
def test_accuracy(trainer: L.Trainer, task: Task) -> float:
    """Return a task's accuracy on the test part, in evaluation mode."""
    data = trainer.datamodule  # type: ignore[attr-defined]
    test = torch.from_numpy(data.split.test)
    images, labels = data.samples.inputs[test].to(task.device), data.samples.targets[test]
    training = task.training
    task.eval()
    with trainer.precision_plugin.val_step_context():
        found = [task(some).argmax(1).cpu() for some in images.chunk(20)]
    task.train(training)
    return float((torch.cat(found) == labels).float().mean())
