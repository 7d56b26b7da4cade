import json
import shlex

import pytest

from callbacks import Checkpoint, Curves, EarlyStopping, History, LastCheckpoint, Summary
from callbacks.summary import generalization_gap, git_commit


def reported(capsys) -> list[str]:
    return capsys.readouterr().out.strip().splitlines()


def test_best_epoch_and_gap_are_those_of_the_history(fit, tmp_path) -> None:
    history = History()
    fit(history, Checkpoint(), Summary(), epochs=3)
    summary = json.loads((tmp_path / "summary.json").read_text())
    best = min(history.rows, key=lambda row: row["val/loss"])
    assert summary["best"] == best
    assert summary["last"] == history.rows[-1]
    assert summary["epochs"] == 3
    assert summary["gap"] == {
        "loss": best["val/loss"] - best["train/loss"],
        "accuracy": best["train/accuracy"] - best["val/accuracy"],
    }


def test_the_figure_that_decides_may_be_another(fit, tmp_path) -> None:
    history = History()
    fit(history, Summary("val/accuracy"), epochs=3, lr=0.01)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["monitor"] == "val/accuracy"
    assert summary["best"]["val/accuracy"] == max(row["val/accuracy"] for row in history.rows)


def test_it_says_what_was_run_on_what(fit, tmp_path) -> None:
    fit(History(), Summary(), epochs=1)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["parameters"] == {"total": 64 * 10 + 10, "trainable": 64 * 10 + 10}
    assert summary["seed"] == 0
    assert summary["precision"] == "32-true"
    assert "cpu" in summary["device"]
    assert summary["wall_seconds"] > 0
    assert summary["samples_per_second"] > 0
    assert {"python", "torch", "lightning", "numpy"} <= summary["versions"].keys()
    assert summary["git_commit"] == git_commit()
    assert shlex.split(summary["command"])


@pytest.mark.parametrize(
    ("callbacks", "options", "reason"),
    [
        ([], {"epochs": 2}, "max_epochs"),
        ([], {"epochs": 9, "max_steps": 5}, "max_steps"),
        ([EarlyStopping(patience=1)], {"epochs": 9, "lr": 0.0}, "early: val/loss has not improved for 1 epochs"),
    ],
)
def test_it_says_why_training_ended(fit, tmp_path, callbacks, options, reason) -> None:
    fit(History(), Summary(), *callbacks, **options)
    assert json.loads((tmp_path / "summary.json").read_text())["stopped"] == reason


def test_the_last_lines_say_what_a_person_wants(fit, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    history = History()
    fit(history, Checkpoint(), Curves(), Summary(), epochs=2)
    lines = reported(capsys)
    best = min(history.rows, key=lambda row: row["val/loss"])
    gap = best["val/loss"] - best["train/loss"]
    assert lines[0] == f"best epoch {best['epoch'] + 1} of 2 by val/loss"
    assert f"val/loss {best['val/loss']:.4f}" in lines[1]
    assert f"val/accuracy {best['val/accuracy']:.4f}" in lines[1]
    assert f"train/loss {best['train/loss']:.4f}" in lines[2]
    assert f"loss {gap:+.4f}" in lines[3]
    assert lines[4].split() == ["checkpoint", "checkpoints/best.ckpt"]
    assert lines[5].split() == ["figures", "figures"]
    assert lines[6].endswith("holdout test --ckpt_path checkpoints/best.ckpt")


def test_the_test_command_can_be_pasted_whatever_the_folder_is_called(fit, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    fit(History(), Checkpoint(), Summary(), epochs=1, default_root_dir=tmp_path / "my runs")
    assert shlex.split(reported(capsys)[-1])[-1] == "my runs/checkpoints/best.ckpt"


def test_a_run_without_validation_says_so(fit, capsys) -> None:
    fit(History(), Summary(), epochs=1, limit_val_batches=0)
    assert reported(capsys) == ["trained 1 epochs; nothing was validated"]


def test_the_summary_of_a_resumed_run_is_that_of_the_whole_run(fit, tmp_path) -> None:
    fit(History(), LastCheckpoint(), Summary(), epochs=3, default_root_dir=tmp_path / "whole")
    for epochs, resume in ((1, None), (3, tmp_path / "checkpoints" / "last.ckpt")):
        fit(History(), LastCheckpoint(), Summary(), epochs=epochs, resume=resume)
    whole, resumed = (json.loads((tmp_path / folder / "summary.json").read_text()) for folder in ("whole", "."))
    assert {key: whole[key] for key in ("epochs", "best", "gap", "last", "stopped")} == {
        key: resumed[key] for key in ("epochs", "best", "gap", "last", "stopped")
    }


def test_an_interrupted_run_says_how_to_go_on(fit, capsys) -> None:
    class Interrupt(History):
        def on_train_epoch_start(self, trainer, pl_module) -> None:
            super().on_train_epoch_start(trainer, pl_module)
            if trainer.current_epoch == 1:
                raise KeyboardInterrupt

    with pytest.raises(SystemExit):
        fit(Interrupt(), LastCheckpoint(), Summary(), epochs=3)
    assert reported(capsys) == ["interrupted in epoch 2; go on with --ckpt_path last"]


def test_the_gap_is_positive_where_validation_is_worse() -> None:
    row = {"train/loss": 0.1, "val/loss": 0.4, "train/accuracy": 1.0, "val/accuracy": 0.75}
    assert generalization_gap(row) == pytest.approx({"loss": 0.3, "accuracy": 0.25})
    assert generalization_gap({"train/loss": 0.1}) == {}


def test_outside_a_repository_there_is_no_commit(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert git_commit() is None
