"""Peak resident memory of `holdout fit` on CIFAR-10, whose pixels are 184 MB."""

import sys
from collections.abc import Sequence

from datamodules import CIFAR10
from scripts.benchmarks.contest import Contest, Target
from scripts.benchmarks.setup import ROOT, Setup, said_by

OURS = "ours"
SAID = "peak"
# A small process begins the one that is measured: Linux counts what the beginner of a process holds.
MEASURE = f"""
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print("{SAID}", usage.ru_maxrss)
sys.exit(status != 0)
"""


def contests(setup: Setup) -> Sequence[Contest]:
    """Return the contest."""
    CIFAR10(setup.data_dir).prepare_data()
    return [
        Contest(
            "peak memory of fit on CIFAR-10", "GB", {OURS: lambda _: peak(setup)}, [Target(OURS, None, 1.3)],
            rounds=2, warm_up=0,
        )
    ]  # fmt: skip


def peak(setup: Setup) -> float:
    """Run a few steps of `configs/cifar10_cnn.yaml` in a process of its own; return its peak resident memory in GB."""
    words = ["-c", str(ROOT / "configs/cifar10_cnn.yaml"), "--data.data_dir", setup.data_dir]
    words += ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "50", "--runs_dir", str(setup.folder)]
    most = float(said_by(["-c", MEASURE, sys.executable, "-m", "scripts.main", "fit", *words], SAID))
    return most * (1 if sys.platform == "darwin" else 1024) / 1e9  # bytes there, kilobytes on Linux
