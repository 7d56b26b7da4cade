import functools

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.nn.functional import cross_entropy

from callbacks import Curves, EpochLines, History, LastCheckpoint, Memorization, Summary
from callbacks.history import epochs_done
from datamodules import Digits, SymmetricNoise
from models import Classifier
from models.networks import Linear

METRICS = {"train/loss", "train/accuracy", "val/loss", "val/accuracy", "val/f1_macro"}


def logits_and_targets(trainer, part):
    """What the trained network says about a part of the data, by hand."""
    data = trainer.datamodule
    indices = data.split.parts()[part]
    with torch.inference_mode():
        return trainer.lightning_module(data.samples.inputs[indices]), data.samples.targets[indices]


def test_every_epoch_has_a_row_of_training_and_validation_metrics(fit) -> None:
    history = History()
    fit(history, epochs=3)
    assert [row["epoch"] for row in history.rows] == [0, 1, 2]
    assert all(row.keys() >= METRICS for row in history.rows)
    losses = [row["train/loss"] for row in history.rows]
    assert losses == sorted(losses, reverse=True)


def test_the_last_row_is_what_the_trained_network_gives(fit) -> None:
    history = History()
    logits, targets = logits_and_targets(fit(history, epochs=2), "val")
    assert history.rows[-1]["val/loss"] == pytest.approx(cross_entropy(logits, targets).item(), rel=1e-5)
    assert history.rows[-1]["val/accuracy"] == pytest.approx((logits.argmax(-1) == targets).float().mean().item())


def test_training_metrics_are_means_over_the_whole_training_part(fit) -> None:
    history = History()
    logits, targets = logits_and_targets(fit(history, epochs=1, lr=0.0), "train")
    assert history.rows[0]["train/loss"] == pytest.approx(cross_entropy(logits, targets).item(), rel=1e-5)
    assert history.rows[0]["train/accuracy"] == pytest.approx((logits.argmax(-1) == targets).float().mean().item())


def test_rows_and_samples_go_on_across_a_resume(fit, tmp_path) -> None:
    whole, first, second = History(), History(), History()
    fit(whole, LastCheckpoint(), epochs=4, default_root_dir=tmp_path / "whole")
    fit(first, LastCheckpoint(), epochs=2)
    fit(second, LastCheckpoint(), epochs=4, resume=tmp_path / "checkpoints" / "last.ckpt")
    assert second.rows == whole.rows
    assert second.rows[:2] == first.rows
    assert second.samples == whole.samples
    assert second.train_seconds > first.train_seconds


def test_samples_and_seconds_are_counted(fit) -> None:
    history = History()
    trainer = fit(history, epochs=2)
    assert history.samples == 2 * len(trainer.datamodule.split.train)
    assert 0 < history.train_seconds <= history.wall_seconds


def test_an_epoch_without_validation_has_no_validation_metrics(fit) -> None:
    history = History()
    fit(history, epochs=4, check_val_every_n_epoch=2)
    assert [row["epoch"] for row in history.rows] == [0, 1, 2, 3]
    assert all("train/loss" in row for row in history.rows)
    assert [row["epoch"] for row in history.rows if "val/loss" in row] == [1, 3]


@pytest.mark.parametrize(("monitor", "mode", "epoch"), [("val/loss", "min", 1), ("val/accuracy", "max", 2)])
def test_best_is_the_first_epoch_with_the_best_metric(monitor, mode, epoch) -> None:
    history = History()
    history.rows = [
        {"epoch": 0},
        {"epoch": 1, "val/loss": 0.2, "val/accuracy": 0.8},
        {"epoch": 2, "val/loss": 0.3, "val/accuracy": 0.9},
        {"epoch": 3, "val/loss": 0.2, "val/accuracy": 0.9},
        {"epoch": 4, "val/loss": float("nan"), "val/accuracy": float("nan")},
    ]
    assert history.best(monitor, mode) == history.rows[epoch]


def test_best_of_nothing_is_none() -> None:
    assert History().best("val/loss", "min") is None


@pytest.mark.parametrize("interval", [4, 0.5, 5, 11, 1.0])
def test_a_validation_within_an_epoch_is_kept_apart_and_one_at_its_end_in_its_row(fit, interval) -> None:
    seen = []

    class Validations(L.Callback):
        def on_validation_end(self, trainer, pl_module) -> None:
            if not trainer.sanity_checking:
                loss = trainer.callback_metrics["val/loss"].item()
                seen.append((pytest.approx(trainer.global_step / 11), loss))  # of 11 steps an epoch

    history = History()
    fit(history, Validations(), epochs=2, val_check_interval=interval)
    at_end = interval in (11, 1.0)
    assert [(epochs_done(row), row["val/loss"]) for row in history.measured("val/loss")] == seen
    assert history.measured("val/loss") == (history.rows if at_end else history.validations)
    wanted = METRICS if at_end else {"train/loss", "train/accuracy"}
    assert [row.keys() & METRICS for row in history.rows] == [wanted, wanted]
    assert not any(name.startswith("train/") for row in history.validations for name in row)


@pytest.mark.parametrize("interval", [1.0, 5])
def test_an_epoch_that_the_run_stops_in_ends_there(fit, interval) -> None:
    history = History()
    fit(history, epochs=9, max_steps=16, val_check_interval=interval)
    assert [epochs_done(row) for row in history.rows] == pytest.approx([1, 16 / 11])
    assert ["val/loss" in row for row in history.rows] == [interval == 1.0, interval == 5], "5 + 11 is 16"
    assert all("train/loss" in row for row in history.rows)


def test_validations_and_seconds_go_on_from_a_checkpoint_inside_an_epoch(fit, tmp_path) -> None:
    whole, cut = History(), History()
    every = ModelCheckpoint(tmp_path, filename="{step}", save_top_k=-1, every_n_train_steps=1)
    fit(whole, every, epochs=2, val_check_interval=4)
    fit(cut, epochs=2, val_check_interval=4, resume=tmp_path / "step=6.ckpt")
    assert cut.validations == whole.validations
    assert cut.rows == whole.rows
    assert cut.wall_seconds < 60


def test_a_history_that_another_run_used_before_begins_anew(fit) -> None:
    used, fresh = History(), History()
    fit(used, epochs=3, val_check_interval=4)
    fit(used, epochs=2, check_val_every_n_epoch=2, lr=0.01)
    fit(fresh, epochs=2, check_val_every_n_epoch=2, lr=0.01)
    assert (used.rows, used.validations) == (fresh.rows, fresh.validations)


def test_the_best_may_be_a_validation_within_an_epoch() -> None:
    history = History()
    history.rows = [{"epoch": 0, "val/loss": 0.3}, {"epoch": 1, "val/loss": 0.2}]
    history.validations = [{"epoch": 1, "epochs_done": 1.5, "val/loss": 0.2}]
    assert history.best("val/loss", "min") == history.validations[0], "the earlier of two that are alike"


def test_checkpoints_of_ones_own_hold_the_latest_epoch_whatever_the_order(fit, tmp_path) -> None:
    first, history = ModelCheckpoint(tmp_path, save_top_k=-1, filename="{epoch}"), History()
    fit(first, history, epochs=3)
    for epoch in range(3):
        held = torch.load(tmp_path / f"epoch={epoch}.ckpt", weights_only=True)["callbacks"]["History"]
        assert [row["epoch"] for row in held["rows"]] == list(range(epoch + 1))


def test_a_row_holds_nothing_of_an_earlier_epoch_whoever_saves_when(fit, tmp_path) -> None:
    class Saves(L.Callback):
        """Saves before the module has logged the epoch's training metrics."""

        def on_train_epoch_end(self, trainer, pl_module) -> None:
            trainer.save_checkpoint(tmp_path / f"{trainer.current_epoch}.ckpt")

    history = History()
    fit(history, Saves(), epochs=2)
    early = torch.load(tmp_path / "1.ckpt", weights_only=True)["callbacks"]["History"]["rows"]
    assert early[0] == history.rows[0]
    assert "train/loss" not in early[1]
    assert early[1]["val/loss"] == history.rows[1]["val/loss"]
    assert history.rows[1]["train/loss"] < history.rows[0]["train/loss"]


@pytest.mark.parametrize("alone", [Curves, Summary, EpochLines, functools.partial(Memorization, 100)])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_who_needs_a_history_adds_one(quiet_trainer, tmp_path, capsys, alone, checkpointing) -> None:
    optimizer = functools.partial(torch.optim.SGD, lr=0.1)
    module = Classifier(Linear((1, 8, 8), 10), 10, optimizer=optimizer)
    callbacks = [alone()]
    for epochs in (2, 3):
        trainer = quiet_trainer(callbacks=callbacks, max_epochs=epochs, enable_checkpointing=checkpointing)
        trainer.fit(module, Digits(batch_size=500, label_noise=SymmetricNoise(0.2)))
        assert [row["epoch"] for row in History.of(trainer).rows] == list(range(epochs))
        assert all(row.keys() >= METRICS for row in History.of(trainer).rows)
    assert sum(isinstance(callback, History) for callback in trainer.callbacks) == 1
    printed = capsys.readouterr().out.splitlines()
    match callbacks[0]:
        case Curves():
            assert (tmp_path / "figures" / "curves.png").is_file()
        case Memorization():
            assert (tmp_path / "figures" / "memorization.png").is_file()
        case EpochLines():
            assert [line.split("  ")[0] for line in printed] == [
                f"epoch {n}/{of}" for of in (2, 3) for n in range(1, of + 1)
            ]
        case _:
            assert sum(line.startswith("best epoch") for line in printed) == 2


def test_an_added_history_survives_a_resume(fit, tmp_path) -> None:
    whole, resumed = Curves(), Curves()
    expected = fit(whole, LastCheckpoint(), epochs=3, default_root_dir=tmp_path / "whole")
    fit(Curves(), LastCheckpoint(), epochs=1)
    trainer = fit(resumed, LastCheckpoint(), epochs=3, resume=tmp_path / "checkpoints" / "last.ckpt")
    assert History.of(trainer).rows == History.of(expected).rows
