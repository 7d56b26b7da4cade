"""Lightning's flags that shorten a run: how many steps it has, what it keeps, and what it says of that."""

import json
import math

import pytest
import torch

BATCHES = math.ceil(1294 / 64)  # of an epoch of digits


def steps(run) -> int:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]


def summary(run) -> dict:
    return json.loads((run / "summary.json").read_text())


@pytest.mark.parametrize(
    ("flags", "per_epoch"),
    [
        ("--trainer.limit_train_batches 3", 3),
        ("--trainer.limit_train_batches 0.5", BATCHES // 2),
        ("--trainer.limit_train_batches 1", 1),
        ("--trainer.limit_train_batches 1.0", BATCHES),
        ("--trainer.overfit_batches 2", 2),
        ("--trainer.overfit_batches 0.1", BATCHES // 10),
    ],
)
def test_an_epoch_has_as_many_steps_as_a_flag_says(desk, flags: str, per_epoch: int) -> None:
    run = desk.fit("short", *flags.split())
    assert steps(run) == 2 * per_epoch
    assert summary(run)["epochs"] == 2


def test_overfitting_a_few_batches_reaches_their_loss_and_not_the_others(desk) -> None:
    few = ("--trainer.overfit_batches", "1", "--early_stopping", "null", "--model.optimizer.lr", "0.05")
    last = summary(desk.fit("few", *few, epochs=15))["last"]
    assert last["train/accuracy"] > 0.95
    assert last["val/loss"] > 2 * last["train/loss"]


@pytest.mark.parametrize(("batches", "said"), [("true", "1 batch"), ("2", "2 batches")])
def test_a_dry_run_goes_through_everything_and_keeps_nothing(desk, batches: str, said: str) -> None:
    before = sorted(desk.folder.rglob("*"))
    told = desk.here("fit", *desk.digits(30), "--trainer.fast_dev_run", batches).stdout
    assert f"run    fast_dev_run: {said} of each part, and nothing is kept" in told
    assert "epoch 1/1  train/loss" in told
    assert not {"checkpoint", "figures", "test"} & {line.split(" ")[0] for line in told.splitlines()}
    assert sorted(desk.folder.rglob("*")) == before


def test_time_ends_a_run_in_order_and_more_time_goes_on_with_it(desk) -> None:
    endless = ("--early_stopping", "null", "--name", "timed", "--trainer.max_time")
    told = desk.here("fit", *desk.digits(100000), *endless, "00:00:00:01").stdout
    run = desk.folder / "runs" / "timed" / "version_0"
    assert "  stopped by max_time" in told.splitlines()
    assert summary(run)["stopped"] == "max_time"
    done = steps(run)
    told = desk.here("fit", *desk.digits(100000), *endless, "00:00:00:01", "--ckpt_path", "last").stdout
    assert told.endswith("has trained for as long as --trainer.max_time allows; raise that to continue\n")
    desk.here("fit", *desk.digits(100000), *endless, "00:00:00:02", "--ckpt_path", "last")
    assert steps(run) > done


PREEMPTED = """
import os
import signal

import lightning as L


class Preempted(L.Callback):
    changes_training = False

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 30:
            os.kill(os.getpid(), signal.SIGUSR1)
"""
JOB = {"JOB_ID": "7", "JOB_NAME": "train", "NTASKS": "1", "PROCID": "0", "LOCALID": "0", "NODEID": "0", "NNODES": "1"}


def test_a_job_that_slurm_preempts_is_saved_and_goes_on_where_it_stopped(desk, monkeypatch) -> None:
    for name, value in JOB.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    (desk.folder / "preempted.py").write_text(PREEMPTED)
    flags = ("fit", *desk.digits(3), "--name", "preempted", "--ckpt_path", "auto")
    told = desk.here(*flags, "--trainer.callbacks+", "preempted.Preempted", status=143).stdout
    run = desk.folder / "runs" / "preempted" / "version_0"
    assert "interrupted in epoch 2; resume with: holdout fit" in told
    assert steps(run) == 30
    assert "resumed in epoch 2 after step 30" in desk.here(*flags).stdout
    assert steps(run) == 3 * BATCHES
