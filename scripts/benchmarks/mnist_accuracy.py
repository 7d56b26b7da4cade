"""Seconds from the start of the process until MNIST is known to be learnt to 99 %: `configs/mnist_fast.yaml`.

A round is a seed. What counts is the accuracy on the test part, without test-time augmentation; a run below 99 % took
for ever.
"""

import math
from collections.abc import Sequence
from typing import cast

import lightning as L

from datamodules import MNIST
from models import Task
from scripts.benchmarks.contest import Contest, Target
from scripts.benchmarks.setup import ROOT, Setup, said_by, test_accuracy
from scripts.benchmarks.start_up import age

OURS, WANTED = "ours", 0.99
SAID = "verdict after"


class Verdict(L.Callback):
    """Prints the age of the process once the network has been trained and tested; infinity if it is below 99 %."""

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Test, and print."""
        accuracy = test_accuracy(trainer, cast("Task", pl_module))
        print(f"{SAID} {age() if accuracy >= WANTED else math.inf} s: {accuracy}", flush=True)


def contests(setup: Setup) -> Sequence[Contest]:
    """Return the contest."""
    MNIST(setup.data_dir).prepare_data()
    words = [
        "-m",
        "scripts.main",
        "fit",
        "-c",
        str(ROOT / "configs/mnist_fast.yaml"),
        "--data.data_dir",
        setup.data_dir,
    ]
    words += ["--trainer.callbacks+", f"{Verdict.__module__}.Verdict", "--runs_dir", str(setup.folder)]
    words += ["--trainer.accelerator", "cpu"]

    def ours(seed: int) -> float:
        return float(said_by([*words, "--seed_everything", str(max(seed, 0))], SAID).split()[0])

    return [
        Contest(
            "process start to 99 % on the test part of MNIST", "s", {OURS: ours}, [Target(OURS, None, 10, share=0.9)],
            rounds=3 if setup.quick else 10,
        )
    ]  # fmt: skip
