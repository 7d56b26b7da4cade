"""`best.ckpt` and `last.ckpt` hold what they say, in any order of callbacks, and are found again."""

import itertools
import shutil
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch import callbacks as lightning_callbacks
from torch.optim.lr_scheduler import LambdaLR

from callbacks import Checkpoint, EarlyStopping, History, LastCheckpoint, load_checkpoint


def ruin_the_last_epoch_of_four(optimizer: torch.optim.Optimizer) -> LambdaLR:
    """A schedule under which the fourth epoch is worse than the third."""
    return LambdaLR(optimizer, lambda epoch: 300.0 if epoch == 3 else 1.0)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("monitor", ["val/loss", "val/accuracy"])
def test_best_holds_the_best_epoch_and_last_the_last(fit, tmp_path, monitor) -> None:
    callbacks = (History(), Checkpoint(monitor), LastCheckpoint())
    trainer = fit(*callbacks, epochs=4, lr_scheduler=ruin_the_last_epoch_of_four)
    values = [row[monitor] for row in History.of(trainer).rows]
    expected = values.index(min(values) if monitor == "val/loss" else max(values))
    assert expected < 3, "an epoch that is not the last"
    folder = tmp_path / "checkpoints"
    best, last = load_checkpoint(folder / "best.ckpt"), load_checkpoint(folder / "last.ckpt")
    assert (best["epoch"], last["epoch"]) == (expected, 3)
    assert names(folder) == ["best.ckpt", "last.ckpt"]


def test_best_holds_weights_that_give_the_best_metric(fit, tmp_path, quiet_trainer) -> None:
    trainer = fit(History(), Checkpoint(), epochs=4, lr_scheduler=ruin_the_last_epoch_of_four)
    model, data = trainer.lightning_module, trainer.datamodule
    model.load_state_dict(load_checkpoint(tmp_path / "checkpoints" / "best.ckpt")["state_dict"])
    inputs, targets = (tensor[data.split.val] for tensor in (data.samples.inputs, data.samples.targets))
    with torch.inference_mode():
        loss = torch.nn.functional.cross_entropy(model(inputs), targets).item()
    assert loss == pytest.approx(min(row["val/loss"] for row in History.of(trainer).rows), rel=1e-5)


def test_each_holds_the_history_of_its_own_epoch_too(fit, tmp_path) -> None:
    trainer = fit(History(), Checkpoint(), LastCheckpoint(), epochs=4, lr_scheduler=ruin_the_last_epoch_of_four)
    for name in ("best", "last"):
        checkpoint = load_checkpoint(tmp_path / "checkpoints" / f"{name}.ckpt")
        (state,) = (state for key, state in checkpoint["callbacks"].items() if "History" in key)
        assert state["rows"] == History.of(trainer).rows[: checkpoint["epoch"] + 1], name


def test_resuming_in_the_same_folder_makes_no_further_files(fit, tmp_path) -> None:
    folder = tmp_path / "checkpoints"
    fit(History(), Checkpoint(), LastCheckpoint(), epochs=2)
    for epochs in (3, 4):
        fit(History(), Checkpoint(), LastCheckpoint(), epochs=epochs, resume=folder / "last.ckpt")
    assert names(folder) == ["best.ckpt", "last.ckpt"]
    assert load_checkpoint(folder / "last.ckpt")["epoch"] == load_checkpoint(folder / "best.ckpt")["epoch"] == 3


@pytest.mark.parametrize("move", [False, True])
def test_a_resumed_run_remembers_the_best_so_far(fit, tmp_path, move) -> None:
    fit(History(), Checkpoint(), LastCheckpoint(), epochs=2, lr=0.0)
    folder = tmp_path / "checkpoints"
    options = {}
    if move:
        folder = Path(shutil.move(folder, tmp_path / "moved" / "checkpoints"))
        options = {"default_root_dir": folder.parent}
    fit(History(), Checkpoint(), LastCheckpoint(), epochs=3, lr=0.0, resume=folder / "last.ckpt", **options)
    assert load_checkpoint(folder / "last.ckpt")["epoch"] == 2
    assert load_checkpoint(folder / "best.ckpt")["epoch"] == 0, "no later epoch was better"


def test_best_is_a_validated_epoch_where_not_every_one_is(fit, tmp_path) -> None:
    callbacks = (Checkpoint(), History(), LastCheckpoint())
    fit(*callbacks, epochs=5, check_val_every_n_epoch=2)
    folder = tmp_path / "checkpoints"
    assert load_checkpoint(folder / "best.ckpt")["epoch"] == 3
    assert load_checkpoint(folder / "last.ckpt")["epoch"] == 4


def test_the_users_own_lightning_callbacks_may_stand_beside_ours(fit, tmp_path) -> None:
    def callbacks() -> list[L.Callback]:
        return [
            lightning_callbacks.ModelCheckpoint(tmp_path / "every", filename="{epoch}", save_top_k=-1),
            lightning_callbacks.ModelCheckpoint(tmp_path / "own", monitor="val/loss", filename="mine"),
            lightning_callbacks.EarlyStopping("val/loss", patience=5),
            EarlyStopping(),
            History(),
            Checkpoint(),
            LastCheckpoint(),
        ]

    fit(*callbacks(), epochs=2)
    fit(*callbacks(), epochs=3, resume=tmp_path / "checkpoints" / "last.ckpt")
    assert names(tmp_path / "every") == ["epoch=0.ckpt", "epoch=1.ckpt", "epoch=2.ckpt"]
    assert names(tmp_path / "own") == ["mine.ckpt"]
    assert names(tmp_path / "checkpoints") == ["best.ckpt", "last.ckpt"]


ORDERS = [*itertools.permutations((LastCheckpoint, Checkpoint, History, EarlyStopping)), (LastCheckpoint, Checkpoint)]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "-".join(kind.__name__ for kind in order))
def test_in_any_order_best_is_the_best_and_both_files_hold_the_latest_states(fit, tmp_path, order) -> None:
    trainer = fit(*(kind() for kind in order), epochs=4, lr_scheduler=ruin_the_last_epoch_of_four)
    (tested,) = trainer.test(datamodule=trainer.datamodule, ckpt_path="best", verbose=False)
    assert Path(trainer.ckpt_path).name == "best.ckpt"
    folder = tmp_path / "checkpoints"
    (again,) = trainer.test(datamodule=trainer.datamodule, ckpt_path=folder / "best.ckpt", verbose=False)
    (last,) = trainer.test(datamodule=trainer.datamodule, ckpt_path=folder / "last.ckpt", verbose=False)
    assert tested == again != last
    held = load_checkpoint(folder / "last.ckpt")["callbacks"]
    best = trainer.checkpoint_callback
    assert held[best.state_key]["best_model_score"] == best.best_model_score
    if History in order:
        assert held["History"]["rows"] == History.of(trainer).rows
        assert [row["epoch"] for row in held["History"]["rows"]] == [0, 1, 2, 3]
        assert all(row.keys() >= {"train/loss", "val/loss"} for row in held["History"]["rows"])


def test_last_holds_what_best_has_kept_of_a_training_metric(fit, tmp_path) -> None:
    trainer = fit(LastCheckpoint(), Checkpoint("train/loss"), epochs=2)
    best = trainer.checkpoint_callback
    held = load_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["callbacks"][best.state_key]
    assert held["best_model_score"] == best.best_model_score
