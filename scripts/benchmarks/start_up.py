"""Seconds from the start of the process to the end of the first training step of `configs/digits.yaml`."""

import os
from collections.abc import Sequence
from pathlib import Path

import lightning as L

from scripts.benchmarks.contest import Contest, Target
from scripts.benchmarks.setup import ROOT, Setup, said_by

OURS, LIGHTNING = "ours", "import lightning"
SAID = "first training step after"


class FirstStep(L.Callback):
    """Prints how long ago its process was started, after the first step."""

    def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        """Print once."""
        if trainer.global_step == 1:
            print(f"{SAID} {age():.2f} s", flush=True)


def age() -> float:
    """Return the seconds since this process was started, as Linux counts them."""
    start = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    now = float(Path("/proc/uptime").read_text().split()[0])
    return now - int(start) / os.sysconf("SC_CLK_TCK")


def contests(setup: Setup) -> Sequence[Contest]:
    """Return the contest; what it is measured against is the import of the library that both a user and we need."""
    callback = f"{FirstStep.__module__}.FirstStep"
    ours = ["-m", "scripts.main", "fit", "-c", str(ROOT / "configs/digits.yaml"), "--trainer.max_epochs", "1"]
    ours += ["--trainer.callbacks+", callback, "--runs_dir", str(setup.folder)]
    lightning = f"import lightning; from {__name__} import age, SAID; print(SAID, age(), 's')"
    commands = {OURS: ours, LIGHTNING: ["-c", lightning]}
    contenders = {name: lambda _, words=words: _seconds(words) for name, words in commands.items()}
    return [Contest("process start to first training step of digits", "s", contenders, [Target(OURS, None, 4)])]


def _seconds(words: Sequence[str]) -> float:
    return float(said_by(words, SAID).split()[0])
