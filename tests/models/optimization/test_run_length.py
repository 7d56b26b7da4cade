"""The length that a schedule is told against the length that the run has, whatever decides how long it is."""

import functools
import os
import subprocess
import sys
import warnings
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import GradientAccumulationScheduler, ModelCheckpoint
from lightning.pytorch.utilities import CombinedLoader
from torch.optim import SGD, lr_scheduler
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from datamodules import Digits
from models import Classifier, TrainingError, WarmupCosine
from models.networks import Linear
from models.optimization.run_length import steps_to_validation

ROOT = Path(__file__).parents[3]
to_zero = functools.partial(WarmupCosine, warmup_fraction=0)


def task(interval="step", schedule=to_zero):
    torch.manual_seed(0)
    optimizer = functools.partial(SGD, lr=0.1)
    network = Linear((1, 8, 8), 10)
    return Classifier(network, 10, optimizer=optimizer, lr_scheduler=schedule, lr_scheduler_interval=interval)


def digits(**options):
    return Digits(**({"batch_size": 200} | options))  # 7 batches an epoch, the last one smaller


def accumulating(scheduling):
    return {"callbacks": [GradientAccumulationScheduler(dict(scheduling))]}


LENGTHS = [
    ({"max_epochs": 3}, {}, 21),
    ({"max_epochs": 3}, {"drop_last": True}, 18),
    ({"max_epochs": 3}, {"batch_size": 5000}, 3),
    ({"max_epochs": 3, "accumulate_grad_batches": 2}, {}, 12),
    ({"max_epochs": 3, "accumulate_grad_batches": 50}, {}, 3),
    ({"max_epochs": 4, **accumulating({0: 1, 2: 4})}, {}, 18),
    ({"max_epochs": 4, **accumulating({1: 3})}, {"drop_last": True}, 12),
    ({"max_epochs": 4, "max_steps": 15, **accumulating({0: 1, 2: 4})}, {}, 15),
    ({"max_epochs": 4, "limit_train_batches": 3, **accumulating({0: 2})}, {}, 8),
    ({"max_epochs": 3, "max_steps": 5}, {}, 5),
    ({"max_epochs": 3, "max_steps": 500}, {}, 21),
    ({"max_epochs": -1, "max_steps": 9, "accumulate_grad_batches": 2}, {}, 9),
    ({"max_epochs": None, "max_steps": 9}, {}, 9),
    ({"max_epochs": 2, "min_epochs": 5}, {}, 14),
    ({"max_epochs": 3, "min_epochs": 3, "max_steps": 5}, {}, 5),
    ({"max_epochs": 2, "limit_train_batches": 4}, {}, 8),
    ({"max_epochs": 2, "limit_train_batches": 400}, {}, 14),
    ({"max_epochs": 2, "limit_train_batches": 0.5}, {}, 6),
    ({"max_epochs": 2, "limit_train_batches": 0.5, "accumulate_grad_batches": 2}, {}, 4),
    ({"max_epochs": 3, "overfit_batches": 2}, {}, 6),
    ({"max_epochs": 3, "fast_dev_run": 2}, {}, 2),
]


@pytest.mark.parametrize(("options", "arguments", "steps"), LENGTHS)
def test_a_schedule_by_step_ends_at_the_last_step_of_the_run(fit, options, arguments, steps):
    trainer = fit(task(), digits(**arguments), **options)
    assert trainer.global_step == steps
    assert trainer.lr_scheduler_configs[0].scheduler.run_length == steps
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0)


@pytest.mark.parametrize(
    ("options", "epochs"),
    [
        ({"max_epochs": 3}, 3),
        ({"max_epochs": 5, "max_steps": 9}, 2),
        ({"max_epochs": -1, "max_steps": 14}, 2),
        ({"max_epochs": None, "max_steps": 9, "accumulate_grad_batches": 2}, 3),
        ({"max_epochs": 9, "max_steps": 16, **accumulating({0: 1, 2: 4})}, 3),
    ],
)
def test_a_schedule_by_epoch_ends_in_the_last_epoch_of_the_run(fit, options, epochs):
    trainer = fit(task("epoch"), digits(), **options)
    assert trainer.fit_loop.epoch_progress.current.ready == epochs
    assert trainer.lr_scheduler_configs[0].scheduler.run_length == epochs


def samples(count=1300):
    generator = torch.Generator().manual_seed(0)
    return TensorDataset(torch.rand(count, 1, 8, 8, generator=generator), torch.arange(count) % 10)


class Endless(IterableDataset):
    """Samples without a length."""

    def __iter__(self):
        return iter(samples())


class Own(L.LightningDataModule):
    """A datamodule that is not one of Holdout's."""

    def __init__(self, loaders):
        super().__init__()
        self.loaders = loaders

    def train_dataloader(self):
        return self.loaders


def pair(mode):
    return CombinedLoader([DataLoader(samples(), 200), DataLoader(samples(500), 200)], mode)


LOADERS = [
    (lambda: DataLoader(samples(), batch_size=200, shuffle=True), {"max_epochs": 2}, 14),
    (lambda: DataLoader(samples(), batch_size=200, drop_last=True), {"max_epochs": 2}, 12),
    (lambda: DataLoader(samples(), batch_size=200), {"max_epochs": 3, **accumulating({1: 2})}, 15),
    (lambda: DataLoader(samples(), batch_size=200), {"max_epochs": 2, "limit_train_batches": 0.5}, 6),
    (lambda: DataLoader(Endless(), batch_size=200), {"max_epochs": 5, "max_steps": 9}, 9),
    (lambda: DataLoader(Endless(), batch_size=200), {"max_epochs": 2, "limit_train_batches": 3}, 6),
    (lambda: pair("min_size"), {"max_epochs": 2}, 6),
    (lambda: pair("max_size_cycle"), {"max_epochs": 2}, 14),
]


@pytest.mark.parametrize("of_a_datamodule", [False, True])
@pytest.mark.parametrize(("make", "options", "steps"), LOADERS)
def test_the_loaders_of_others_are_counted_as_lightning_counts_them(
    quiet_trainer, make, options, steps, of_a_datamodule
):
    class First(Classifier):
        def training_step(self, batch, batch_idx, *_):
            return super().training_step(batch[0] if isinstance(batch[0], list) else batch, batch_idx)

    torch.manual_seed(0)
    optimizer = functools.partial(SGD, lr=0.1)
    made = First(Linear((1, 8, 8), 10), 10, optimizer=optimizer, lr_scheduler=to_zero, lr_scheduler_interval="step")
    trainer = quiet_trainer(**options)
    trainer.fit(made, **({"datamodule": Own(make())} if of_a_datamodule else {"train_dataloaders": make()}))
    assert trainer.global_step == steps
    assert trainer.lr_scheduler_configs[0].scheduler.run_length == steps


def test_to_count_batches_draws_nothing(quiet_trainer):
    """With and without a schedule, a loader of another kind shuffles alike."""
    weights = []
    for schedule in (None, functools.partial(lr_scheduler.ConstantLR, factor=1.0)):
        trained = task(schedule=schedule)
        torch.manual_seed(1)
        quiet_trainer(max_epochs=2).fit(trained, DataLoader(samples(), batch_size=200, shuffle=True))
        weights.append(trained.network.head.weight)
    assert torch.equal(*weights)


SCRIPT = """
import functools, lightning as L, torch
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from torch.utils.data import DataLoader, TensorDataset
from datamodules import Digits
from models import Classifier, WarmupCosine
from models.networks import Linear

class Own(L.LightningDataModule):
    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.rand(1300, 1, 8, 8), torch.arange(1300) % 10), batch_size=200)

if __name__ == "__main__":
    sgd = functools.partial(torch.optim.SGD, lr=0.1)
    for data in (Digits(batch_size=200), Own()):
        task = Classifier(
            Linear((1, 8, 8), 10), 10, optimizer=sgd, lr_scheduler=WarmupCosine, lr_scheduler_interval="step"
        )
        trainer = L.Trainer(
            accelerator="cpu", devices=2, strategy="ddp", max_epochs=3, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, callbacks=[GradientAccumulationScheduler({1: 2})],
        )
        trainer.fit(task, datamodule=data)
        if trainer.is_global_zero:
            print("steps", trainer.global_step, "told", trainer.lr_scheduler_configs[0].scheduler.run_length)
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_devices_divide_batches_and_the_schedule_knows(tmp_path):
    (tmp_path / "train.py").write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    # Ours divide a batch of 200, so there are 7; torch's loader gives each device batches of 200 of its half.
    assert done.stdout.splitlines() == ["steps 15 told 15", "steps 8 told 8"]


def test_accumulation_goes_on_in_a_run_resumed_within_an_epoch(fit, tmp_path):
    def run(**options):
        trained = task()
        return trained, fit(trained, digits(), max_epochs=3, **options)

    save = ModelCheckpoint(tmp_path, filename="{step}", save_top_k=-1, every_n_train_steps=1)
    callbacks = accumulating({0: 1, 1: 2})["callbacks"]
    whole, trainer = run(callbacks=[*callbacks, save], enable_checkpointing=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*gradients accumulated so far are lost")
        resumed, again = run(ckpt_path=tmp_path / "step=9.ckpt", **accumulating({0: 1, 1: 2}))  # of 7 + 4 + 4
    assert again.global_step == trainer.global_step == 15
    assert torch.equal(whole.network.head.weight, resumed.network.head.weight)


def test_accumulation_that_is_set_twice_is_refused_before_training(fit):
    message = r"^trainer\.accumulate_grad_batches \(2\) and GradientAccumulationScheduler set the same thing"
    for schedule in (None, to_zero):
        with pytest.raises(TrainingError, match=message):
            fit(task(schedule=schedule), digits(), accumulate_grad_batches=2, **accumulating({0: 1, 1: 4}))


def test_a_fraction_of_a_batch_is_refused(fit):
    message = r"^trainer\.limit_train_batches: 0\.01 of 7 batches leaves no batch to train on"
    with pytest.raises(TrainingError, match=message):
        fit(task(), digits(), limit_train_batches=0.01)


class FirstValidation(L.Callback):
    """Keeps the number of steps before the first validation."""

    def __init__(self):
        self.steps = None

    def on_validation_start(self, trainer, pl_module):
        if not trainer.sanity_checking and self.steps is None:
            self.steps = trainer.global_step


@pytest.mark.parametrize("accumulation", [{}, {"accumulate_grad_batches": 2}, accumulating({0: 2, 1: 3, 2: 1})])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"check_val_every_n_epoch": 3},
        {"val_check_interval": 3},
        {"val_check_interval": 4, "check_val_every_n_epoch": 2},
        {"val_check_interval": 7},
        {"val_check_interval": 0.5},
        {"val_check_interval": 10, "check_val_every_n_epoch": None},
        {"val_check_interval": 14, "check_val_every_n_epoch": None},
    ],
)
def test_the_first_validation_comes_after_the_steps_foreseen(fit, options, accumulation):
    first, foreseen = FirstValidation(), []

    class Foresee(L.Callback):
        def on_fit_start(self, trainer, pl_module):
            foreseen.append(steps_to_validation(trainer))

    callbacks = [first, Foresee(), *accumulation.get("callbacks", [])]
    fit(task(), digits(), **{"max_epochs": 3, **options, **accumulation, "callbacks": callbacks})
    assert foreseen == [first.steps]


def test_an_interval_longer_than_an_epoch_is_refused(fit):
    with pytest.raises(TrainingError, match=r"^trainer\.val_check_interval: 8 batches are more than the 7 of an epoch"):
        fit(task(), digits(), val_check_interval=8)
