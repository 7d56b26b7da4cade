import json
import shlex

import lightning as L
import pytest
import torch
from torch.nn.functional import cross_entropy

from callbacks import Checkpoint, Curves, EarlyStopping, GeneralizationGap, History, LastCheckpoint, Summary, curves
from callbacks.curves import draw_curves
from callbacks.environment import git_commit
from callbacks.history import epochs_done
from callbacks.probe import Probe
from callbacks.summary import gap_to_training
from models import Classifier
from models.networks import Linear


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
    assert summary["gap_to"] == "training"


def test_the_metric_that_decides_may_be_another(fit, tmp_path) -> None:
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
    assert summary["threads"] == torch.get_num_threads()
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
    assert lines[0] == "best epoch 2 of 2 by val/loss (the last: it may not have converged yet)"
    _, validated, again, trained, compared, *_, checkpoint, figures = lines
    for name in ("val/loss", "val/accuracy", "val/f1_macro", "val/calibration_error", "val/top5_accuracy"):
        assert f"{name} {best[name]:.4f}" in validated + again
    assert f"train/loss {best['train/loss']:.4f}" in trained
    assert compared.startswith("  gap to training: ")
    assert f"loss {gap:+.4f}" in compared
    assert checkpoint.split() == ["checkpoint", "checkpoints/best.ckpt"]
    assert figures.split() == ["figures", "figures"]
    assert max(map(len, lines)) <= 80


def test_a_callback_says_how_to_go_on_with_the_best_checkpoint(fit, tmp_path, capsys, monkeypatch) -> None:
    class Export(L.Callback):
        def command_lines(self, checkpoint: str) -> list[str]:
            return [f"export {checkpoint}"]

    monkeypatch.chdir(tmp_path)
    fit(Export(), History(), Checkpoint(), Summary(), epochs=1, default_root_dir=tmp_path / "my runs")
    assert reported(capsys)[-1] == "export my runs/checkpoints/best.ckpt"
    fit(Export(), History(), Summary(), epochs=1)
    assert not any(line.startswith("export") for line in reported(capsys))


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


def test_an_interrupted_run_says_how_to_resume(fit, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)

    class Interrupt(History):
        def on_train_epoch_start(self, trainer, pl_module) -> None:
            super().on_train_epoch_start(trainer, pl_module)
            if trainer.current_epoch == 1:
                raise KeyboardInterrupt

    with pytest.raises(SystemExit):
        fit(Interrupt(), LastCheckpoint(), Summary(), epochs=3)
    assert reported(capsys) == ["interrupted in epoch 2; resume with: holdout fit --ckpt_path checkpoints/last.ckpt"]


@pytest.mark.parametrize(
    ("step", "after"),
    [(2, "no checkpoint was written"), (5, "resume with: holdout fit --ckpt_path checkpoints/best.ckpt")],
)
def test_a_run_interrupted_in_its_first_epoch_says_what_was_kept(fit, capsys, tmp_path, monkeypatch, step, after):
    class Interrupt(History):
        def on_train_batch_start(self, trainer, *_) -> None:
            if trainer.global_step == step:
                raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        fit(Interrupt(), Checkpoint(), LastCheckpoint(), Summary(), epochs=3, val_check_interval=4)
    assert reported(capsys) == [f"interrupted in epoch 1; {after}"]


def test_an_interrupted_test_says_nothing_of_training(fit, capsys) -> None:
    class Interrupt(L.Callback):
        def on_test_start(self, trainer, pl_module) -> None:
            raise KeyboardInterrupt

    trainer = fit(Interrupt(), Summary(), epochs=1)
    reported(capsys)
    with pytest.raises(SystemExit):
        trainer.test(trainer.lightning_module, trainer.datamodule)
    assert reported(capsys) == []


def test_the_gap_is_positive_where_validation_is_worse() -> None:
    row = {"train/loss": 0.1, "val/loss": 0.4, "train/accuracy": 1.0, "val/accuracy": 0.75}
    row |= {"train/unknown": 0.1, "val/unknown": 0.2}
    module = Classifier(Linear((1, 8, 8), 10), 10)
    assert gap_to_training(module, row) == pytest.approx({"loss": 0.3, "accuracy": 0.25})
    assert gap_to_training(module, {"train/loss": 0.1}) == {}


VALIDATIONS = [
    {"val_check_interval": 0.4},
    {"val_check_interval": 3},
    {"val_check_interval": 7, "check_val_every_n_epoch": None},
    {"val_check_interval": 0.7},
    {"val_check_interval": 3, "max_steps": 25},
    {"val_check_interval": 1.0, "max_steps": 25},
    {"check_val_every_n_epoch": 2},
    {},
]


@pytest.mark.parametrize("options", VALIDATIONS, ids=str)
@pytest.mark.parametrize("monitor", ["val/loss", "val/accuracy", "train/loss"])
def test_the_best_is_the_moment_that_the_checkpoint_keeps_however_often_is_validated(
    fit, tmp_path, quiet_trainer, capsys, monkeypatch, options, monitor
) -> None:
    drawn = []
    monkeypatch.setattr(curves, "draw_curves", lambda *arguments: drawn.append(arguments) or draw_curves(*arguments))
    checkpoint, gap = Checkpoint(monitor), GeneralizationGap(200)
    trainer = fit(History(), checkpoint, gap, Curves(monitor), Summary(monitor), epochs=3, lr=4.0, **options)
    best = json.loads((tmp_path / "summary.json").read_text())["best"]
    assert best[monitor] == checkpoint.best_model_score.item()
    kept = torch.load(checkpoint.best_model_path, weights_only=True)
    assert kept["epoch"] == best["epoch"]
    moment = kept["global_step"] / 11
    assert epochs_done(best) == pytest.approx(moment)
    assert reported(capsys)[0].startswith(f"best epoch {round(moment, 2):g} of ")
    assert drawn[0][2] == epochs_done(best)
    at_end = kept["global_step"] in (11, 22, 33, options.get("max_steps"))
    assert ("train/loss" in best) == at_end, "training metrics belong to the end of an epoch, or of the run"
    if "val/loss" in best:
        trainer.lightning_module.load_state_dict(kept["state_dict"])
        (metrics,) = quiet_trainer().validate(trainer.lightning_module, trainer.datamodule, verbose=False)
        assert {name: best[name] for name in metrics} == pytest.approx(metrics, rel=1e-5)
        chosen = gap._evaluation.indices
        with torch.inference_mode():
            logits = trainer.lightning_module.eval()(trainer.datamodule.samples.inputs[chosen])
        trained = cross_entropy(logits, trainer.datamodule.samples.targets[chosen]).item()
        assert best["gap/loss"] == pytest.approx(metrics["val/loss"] - trained, abs=1e-4)


def test_a_best_validation_within_an_epoch_is_called_by_its_place_and_has_no_gap(fit, tmp_path, capsys) -> None:
    history = History()
    fit(history, Checkpoint(), Curves(), Summary(), epochs=3, lr=4.0, val_check_interval=3)
    best = json.loads((tmp_path / "summary.json").read_text())["best"]
    assert best in history.validations
    lines = reported(capsys)
    assert lines[0] == "best epoch 2.27 of 3 by val/loss"
    assert [line.split()[0] for line in lines] == ["best", "val/accuracy", "val/loss", "time", "checkpoint", "figures"]


def test_a_run_that_max_steps_ends_within_an_epoch_says_so(fit, tmp_path, capsys) -> None:
    fit(History(), Summary(), epochs=9, max_steps=16, val_check_interval=5)
    assert json.loads((tmp_path / "summary.json").read_text())["epochs"] == pytest.approx(16 / 11)
    assert reported(capsys)[0].startswith("best epoch 1.45 of 1.45 by val/loss (the last")


def test_the_best_of_an_earlier_epoch_is_not_called_the_last(fit, capsys) -> None:
    fit(History(), Summary("val/accuracy"), epochs=3, lr=0.0)
    assert reported(capsys)[0] == "best epoch 1 of 3 by val/accuracy"


@pytest.mark.parametrize(("epochs", "explained"), [(1, True), (20, False)])
def test_a_gap_below_zero_is_explained(fit, tmp_path, capsys, epochs, explained) -> None:
    fit(History(), Summary(), epochs=epochs, lr=1.0)
    gap = json.loads((tmp_path / "summary.json").read_text())["gap"]
    lines = reported(capsys)
    (place,) = (number for number, line in enumerate(lines) if "gap to training" in line)
    assert (min(gap.values()) < 0) is explained
    remark = "  (below 0: training is measured during the epoch, with regularization on)"
    assert (remark in lines[place:]) is explained
    assert max(map(len, lines)) <= 80


def test_a_gap_that_was_measured_alike_is_the_one_reported(fit, tmp_path, capsys) -> None:
    history = History()
    fit(history, GeneralizationGap(samples=200), Summary(), epochs=2)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["gap"] == {name: summary["best"][f"gap/{name}"] for name in ("loss", "accuracy")}
    assert summary["gap_to"] == "training samples evaluated alike"
    (line,) = [line.strip() for line in reported(capsys) if "gap to " in line]
    assert line.startswith("gap to training samples evaluated alike: ")
    assert f"loss {summary['gap']['loss']:+.4f}" in line


class Probing(Probe):
    """A probe of one's own, with a line of its own."""

    prefix = "own/"

    def choose(self, data) -> None:
        pass

    def measure(self, trainer, task) -> dict[str, float]:
        return {"answer": 42.0}

    def summary(self, best) -> dict[str, object]:
        return {"answer": best["own/answer"]}

    def summary_lines(self, best) -> list[str]:
        return [f"  the answer is {best['own/answer']:.0f}"]


def test_a_probe_says_what_the_summary_prints_and_writes_of_it(fit, tmp_path, capsys) -> None:
    fit(Probing(1, 1), Summary(), epochs=1)
    assert "  the answer is 42" in reported(capsys)
    assert json.loads((tmp_path / "summary.json").read_text())["answer"] == 42


def test_early_stopping_has_a_line_of_its_own(fit, capsys) -> None:
    fit(Summary(), EarlyStopping(patience=2), epochs=9, lr=0.0)
    assert reported(capsys)[:2] == [
        "best epoch 1 of 3 by val/loss",
        "  stopped early: val/loss has not improved for 2 epochs",
    ]


def test_any_callback_adds_lines_and_keys(fit, tmp_path, capsys) -> None:
    class Norm(L.Callback):
        def summary(self, best):
            return {"norm": 1.5}

        def summary_lines(self, best):
            return [f"  norm 1.5 at val/loss {best['val/loss']:.4f}"]

    fit(Norm(), Summary(), epochs=1)
    assert any(line.startswith("  norm 1.5 at val/loss") for line in capsys.readouterr().out.splitlines())
    assert json.loads((tmp_path / "summary.json").read_text())["norm"] == 1.5
