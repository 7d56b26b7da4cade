"""Training steps of ResNet-18 on CIFAR-10 with two processes of one thread each (DDP, gloo), images a second.

The rival is one process with two threads, with the same batches of 128 and the same precision.
"""

import time
from collections.abc import Sequence

import lightning as L

from datamodules import CIFAR10
from scripts.benchmarks.contest import Contest, Target
from scripts.benchmarks.setup import ROOT, Setup, said_by
from scripts.cli.trainer import choose_precision

BATCH, WARM_UP = 128, 3
TWO, ONE = "two processes", "one process"
SAID = "images a second"


class StepRate(L.Callback):
    """Prints how many images a second the steps after the first ones took, at the end of training."""

    def __init__(self) -> None:
        self.begin, self.steps = 0.0, 0

    def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        """Count a step, once kernels are prepared."""
        if trainer.global_step == WARM_UP:
            self.begin = time.perf_counter()
        self.steps = trainer.global_step - WARM_UP
        self.end = time.perf_counter()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print, once."""
        if trainer.is_global_zero:
            print(f"{SAID} {BATCH * self.steps / (self.end - self.begin):.2f}", flush=True)


def contests(setup: Setup) -> Sequence[Contest]:
    """Return the contest."""
    CIFAR10(setup.data_dir).prepare_data()
    steps = WARM_UP + (3 if setup.quick else 20)
    contenders = {
        TWO: lambda _: _rate(setup, steps, 1, ("--trainer.devices", "2", "--trainer.strategy", "ddp")),
        ONE: lambda _: _rate(setup, steps, 2, ()),
    }
    target = Target(TWO, ONE, 0.95, at_least=True)
    return [Contest("training steps of ResNet-18", "images/s", contenders, [target], warm_up=0)]


def _rate(setup: Setup, steps: int, threads: int, flags: Sequence[str]) -> float:
    words = ["-c", str(ROOT / "configs/cifar10_resnet18.yaml"), "--data.data_dir", setup.data_dir]
    words += ["--data.batch_size", str(BATCH), "--runs_dir", str(setup.folder), "--trainer.accelerator", "cpu"]
    words += ["--trainer.precision", choose_precision("cpu"), "--trainer.max_epochs", "1"]
    words += ["--trainer.limit_train_batches", str(steps), "--trainer.limit_val_batches", "1"]
    words += ["--trainer.callbacks+", f"{StepRate.__module__}.StepRate", *flags]
    return float(said_by(["-m", "scripts.main", "fit", *words], SAID, OMP_NUM_THREADS=str(threads)))
