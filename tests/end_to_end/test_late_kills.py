"""A run that is killed before it keeps anything, or when only its summary is missing, and is started again."""

import json

import pytest
import torch
from kills import killed

from callbacks.last_checkpoint import LastCheckpoint
from callbacks.summary import Summary
from scripts.run_differences import differences

LOOKS_AT_PICTURES = True

WORSE = ("--early_stopping.patience", "1", "--model.optimizer.lr", "0.3")
STOPS = {
    "after its epochs": ("--trainer.max_epochs", "2"),
    "after its steps, in an epoch": ("--trainer.max_steps", "30"),
    "after its steps, with an epoch": ("--trainer.max_steps", "42"),
    "early, with an epoch": WORSE,
    "early, in an epoch": (*WORSE, "--trainer.val_check_interval", "0.3"),
}
EVERY = ("--checkpoint.every_n_train_steps", "7", "--trainer.max_epochs", "9")


@pytest.mark.parametrize("stop", STOPS)
def test_a_run_killed_before_its_summary_gets_it_when_it_is_started_again(new_desk, stop) -> None:
    whole, cut = new_desk(), new_desk()
    flags = (*whole.digits(9), *EVERY, *STOPS[stop])
    whole.here("fit", *flags)
    assert killed(cut, flags, Summary, "on_train_end")
    cut.here("fit", *flags, "--ckpt_path", "auto")
    folders = [desk.folder / "runs" / "digits" for desk in (whole, cut)]
    assert differences(*(folder / "version_0" for folder in folders)) == []
    assert [path.name for path in folders[1].iterdir()] == ["version_0"]


def test_a_run_killed_while_it_writes_its_first_checkpoint_starts_again_in_its_folder(new_desk) -> None:
    desk = new_desk()
    flags = desk.digits(1)
    assert killed(desk, flags, LastCheckpoint, "_save_checkpoint")
    folder = desk.folder / "runs" / "digits" / "version_0"
    for path in folder.glob("checkpoints/*"):
        path.unlink()
    (folder / "checkpoints" / ".best.ckpt.a1b2c3d4").write_bytes(b"half")
    desk.here("fit", *flags, "--ckpt_path", "auto")
    assert [path.name for path in folder.parent.iterdir()] == ["version_0"]
    assert sorted(path.name for path in folder.glob("checkpoints/*")) == ["best.ckpt", "last.ckpt"]


def test_a_checkpoint_alone_is_enough_to_go_on_and_the_lost_best_epoch_is_said(new_desk) -> None:
    first, other = new_desk(), new_desk()
    worse = ("--model.optimizer.lr", "0.3", "--model.lr_scheduler", "null", "--early_stopping", "null")
    folder = first.fit("digits", *worse, epochs=3)
    (other.folder / "mine.ckpt").write_bytes((folder / "checkpoints" / "last.ckpt").read_bytes())
    with pytest.warns(UserWarning, match="the best epoch so far is not there: the best is one of those to come"):
        done = other.here("fit", "--ckpt_path", "mine.ckpt", "--trainer.max_epochs", "5")
    assert "resumed after epoch 3" in done.stdout
    summary = json.loads((other.folder / "runs/run/version_0/summary.json").read_text())
    kept = torch.load(other.folder / "runs/run/version_0/checkpoints/best.ckpt", weights_only=True)
    assert summary["best"]["epoch"] == kept["epoch"] >= 3, "not one whose weights are lost"
    assert summary["epochs"] == 5
    refused = other.here("fit", "--ckpt_path", "mine.ckpt", "--model.optimizer.lr", "0.1", status=2)
    assert "model.optimizer.lr was 0.3, now 0.1" in refused.stderr
