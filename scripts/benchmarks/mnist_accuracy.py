"""Seconds from the start of the process until MNIST is learnt to 99 % of the test part, and the run has said so.

The recipe is `configs/mnist_cnn.yaml` with fewer epochs, trained by `fit` and tested by `test`, each seed once.
"""

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from datamodules import MNIST
from scripts.benchmarks.contest import Contest, Target
from scripts.benchmarks.setup import Setup

OURS, ACCURACY, SEEDS, SECONDS = "ours", 0.99, 10, 10
ROOT = Path(__file__).parents[2]


def contests(setup: Setup) -> Sequence[Contest]:
    """Return the contest; a round is a seed, and one that is not learnt takes for ever."""
    MNIST(setup.data_dir).prepare_data()
    seeds = 2 if setup.quick else SEEDS
    return [
        Contest(
            f"MNIST to {ACCURACY:.0%}", "s", {OURS: lambda seed: seconds_to_learn(setup, seed)},
            [Target(OURS, None, SECONDS, share=0.9)], rounds=seeds, warm_up=0,
        )
    ]  # fmt: skip


def seconds_to_learn(setup: Setup, seed: int) -> float:
    """Train and test in processes of their own; return the seconds, infinity if the accuracy is not reached."""
    begin, name = time.monotonic(), f"mnist_{seed}"
    words = ["-c", str(ROOT / "configs/mnist_fast.yaml"), "--data.data_dir", setup.data_dir]
    _holdout("fit", *words, "--seed_everything", str(seed), "--runs_dir", str(setup.folder), "--name", name)
    folder = setup.folder / name / "version_0"
    _holdout("test", "--ckpt_path", str(folder / "checkpoints/best.ckpt"))
    taken = time.monotonic() - begin
    metrics = json.loads((folder / "test.json").read_text())["metrics"]
    return taken if metrics["test/accuracy"] >= ACCURACY else math.inf


def _holdout(*words: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "scripts.main", *words], check=True, capture_output=True, env=environment)
