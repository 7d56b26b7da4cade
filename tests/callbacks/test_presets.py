import shutil
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import callbacks as lightning_callbacks
from torch.optim.lr_scheduler import LambdaLR

from callbacks import Checkpoint, EarlyStopping, History, LastCheckpoint, load_checkpoint
from callbacks.lookup import find_callback
from callbacks.presets import monitor_mode
from models import Classifier
from models.networks import Linear


def ruin_the_last_epoch_of_four(optimizer: torch.optim.Optimizer) -> LambdaLR:
    """A schedule under which the fourth epoch is worse than the third."""
    return LambdaLR(optimizer, lambda epoch: 300.0 if epoch == 3 else 1.0)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def history_of(trainer: L.Trainer) -> History:
    history = find_callback(trainer, History)
    assert history is not None
    return history


class TestMonitorMode:
    @pytest.mark.parametrize(
        ("monitor", "mode"),
        [
            ("val/loss", "min"),
            ("train/objective", "min"),
            ("val/calibration_error", "min"),
            ("val/rmse", "min"),
            ("val/mae", "min"),
            ("val/accuracy", "max"),
            ("val/top5_accuracy", "max"),
            ("val/f1_macro", "max"),
            ("val/auroc", "max"),
            ("val/r2", "max"),
            ("val/weirdness", None),
            ("loss/weirdness", None),
        ],
    )
    def test_usual_names(self, monitor: str, mode: str | None) -> None:
        assert monitor_mode(monitor) == mode

    def test_agrees_with_every_figure_of_the_classifier(self) -> None:
        figures = Classifier(Linear((1, 8, 8), 10), 10).metric_modes()
        assert {name: "max" if higher else "min" for name, higher in figures.items()} == {
            name: monitor_mode(name) for name in figures
        }

    def test_the_presets_take_it_unless_told_otherwise(self) -> None:
        for preset in (EarlyStopping, Checkpoint):
            assert preset("val/accuracy").mode == "max"
            assert preset("val/loss").mode == "min"
            assert preset("val/accuracy", mode="min").mode == "min"


class TestUnknownFigure:
    @pytest.mark.parametrize(("preset", "option"), [(EarlyStopping, "early_stopping"), (Checkpoint, "checkpoint")])
    def test_a_misspelt_monitor_is_refused_before_training(self, fit, preset, option) -> None:
        watch = History()
        with pytest.raises(MisconfigurationException, match=rf"{option}\.monitor.*'val/acc'.*val/accuracy.*val/loss"):
            fit(watch, preset("val/acc"))
        assert watch.samples == 0

    @pytest.mark.parametrize(("preset", "option"), [(EarlyStopping, "early_stopping"), (Checkpoint, "checkpoint")])
    def test_a_figure_that_may_be_good_or_bad_needs_a_mode(self, fit, preset, option, monkeypatch) -> None:
        monkeypatch.setattr(Classifier, "figures", lambda _: {"val/weirdness": True})
        with pytest.raises(MisconfigurationException, match=rf"{option}\.mode.*'val/weirdness'"):
            fit(preset("val/weirdness"))


class TestEarlyStopping:
    @pytest.mark.parametrize("options", [{"val_check_interval": 4}, {"check_val_every_n_epoch": 2}], ids=str)
    def test_epochs_count_for_a_training_figure_however_often_is_validated(self, fit, options) -> None:
        stopping = EarlyStopping("train/loss", patience=3, min_delta=1e9)
        assert fit(stopping, epochs=9, **options).current_epoch == 4  # the first counts as an improvement on nothing

    @pytest.mark.parametrize("patience", [1, 3])
    def test_stops_after_so_many_epochs_without_improvement(self, fit, patience) -> None:
        trainer = fit(History(), EarlyStopping(patience=patience), lr=0.0, epochs=10)
        assert len(history_of(trainer).rows) == 1 + patience

    def test_does_not_stop_while_it_improves(self, fit) -> None:
        trainer = fit(History(), EarlyStopping(patience=1), epochs=4)
        losses = [row["val/loss"] for row in history_of(trainer).rows]
        assert losses == sorted(losses, reverse=True)
        assert len(losses) == 4

    def test_watches_for_the_maximum_of_accuracy(self, fit) -> None:
        trainer = fit(History(), EarlyStopping("val/accuracy", patience=1), epochs=3, lr=0.01)
        accuracies = [row["val/accuracy"] for row in history_of(trainer).rows]
        assert accuracies[0] < accuracies[1] < accuracies[2]

    def test_a_stopped_run_trains_no_further_when_resumed(self, fit, tmp_path) -> None:
        last = tmp_path / "checkpoints" / "last.ckpt"
        stopped = fit(History(), EarlyStopping(patience=2), LastCheckpoint(), lr=0.0, epochs=10)
        resumed = fit(History(), EarlyStopping(patience=2), LastCheckpoint(), lr=0.0, epochs=10, resume=last)
        assert resumed.global_step == stopped.global_step > 0
        assert history_of(resumed).rows == history_of(stopped).rows

    @pytest.mark.parametrize(("patience", "epochs"), [(4, 5), (1, 3)])
    def test_patience_comes_from_the_arguments_not_the_checkpoint(self, fit, tmp_path, patience, epochs) -> None:
        fit(History(), EarlyStopping(patience=2), LastCheckpoint(), lr=0.0, epochs=10)
        last = tmp_path / "checkpoints" / "last.ckpt"
        resumed = fit(History(), EarlyStopping(patience=patience), LastCheckpoint(), lr=0.0, epochs=10, resume=last)
        assert len(history_of(resumed).rows) == epochs

    def test_counts_validations_where_not_every_epoch_is_validated(self, fit) -> None:
        trainer = fit(History(), EarlyStopping(patience=2), lr=0.0, epochs=12, check_val_every_n_epoch=2)
        assert len(history_of(trainer).rows) == 2 + 2 * 2

    @pytest.mark.parametrize("patience", [0, -1])
    def test_a_patience_that_never_trains_is_refused(self, patience) -> None:
        with pytest.raises(MisconfigurationException, match="patience"):
            EarlyStopping(patience=patience)


class TestCheckpoints:
    @pytest.mark.parametrize("monitor", ["val/loss", "val/accuracy"])
    def test_best_holds_the_best_epoch_and_last_the_last(self, fit, tmp_path, monitor) -> None:
        callbacks = (History(), Checkpoint(monitor), LastCheckpoint())
        trainer = fit(*callbacks, epochs=4, lr_scheduler=ruin_the_last_epoch_of_four)
        figures = [row[monitor] for row in history_of(trainer).rows]
        expected = figures.index(min(figures) if monitor == "val/loss" else max(figures))
        assert expected < 3, "an epoch that is not the last"
        folder = tmp_path / "checkpoints"
        best, last = load_checkpoint(folder / "best.ckpt"), load_checkpoint(folder / "last.ckpt")
        assert (best["epoch"], last["epoch"]) == (expected, 3)
        assert names(folder) == ["best.ckpt", "last.ckpt"]

    def test_best_holds_weights_that_give_the_best_figure(self, fit, tmp_path, quiet_trainer) -> None:
        trainer = fit(History(), Checkpoint(), epochs=4, lr_scheduler=ruin_the_last_epoch_of_four)
        model, data = trainer.lightning_module, trainer.datamodule
        model.load_state_dict(load_checkpoint(tmp_path / "checkpoints" / "best.ckpt")["state_dict"])
        inputs, targets = (tensor[data.split.val] for tensor in (data.samples.inputs, data.samples.targets))
        with torch.inference_mode():
            loss = torch.nn.functional.cross_entropy(model(data.transform(inputs)), targets).item()
        assert loss == pytest.approx(min(row["val/loss"] for row in history_of(trainer).rows), rel=1e-5)

    def test_each_holds_the_history_of_its_own_epoch_too(self, fit, tmp_path) -> None:
        trainer = fit(History(), Checkpoint(), LastCheckpoint(), epochs=4, lr_scheduler=ruin_the_last_epoch_of_four)
        for name in ("best", "last"):
            checkpoint = load_checkpoint(tmp_path / "checkpoints" / f"{name}.ckpt")
            (state,) = (state for key, state in checkpoint["callbacks"].items() if "History" in key)
            assert state["rows"] == history_of(trainer).rows[: checkpoint["epoch"] + 1], name

    def test_resuming_in_the_same_folder_makes_no_further_files(self, fit, tmp_path) -> None:
        folder = tmp_path / "checkpoints"
        fit(History(), Checkpoint(), LastCheckpoint(), epochs=2)
        for epochs in (3, 4):
            fit(History(), Checkpoint(), LastCheckpoint(), epochs=epochs, resume=folder / "last.ckpt")
        assert names(folder) == ["best.ckpt", "last.ckpt"]
        assert load_checkpoint(folder / "last.ckpt")["epoch"] == load_checkpoint(folder / "best.ckpt")["epoch"] == 3

    @pytest.mark.parametrize("move", [False, True])
    def test_a_resumed_run_remembers_the_best_so_far(self, fit, tmp_path, move) -> None:
        fit(History(), Checkpoint(), LastCheckpoint(), epochs=2, lr=0.0)
        folder = tmp_path / "checkpoints"
        options = {}
        if move:
            folder = Path(shutil.move(folder, tmp_path / "moved" / "checkpoints"))
            options = {"default_root_dir": folder.parent}
        fit(History(), Checkpoint(), LastCheckpoint(), epochs=3, lr=0.0, resume=folder / "last.ckpt", **options)
        assert load_checkpoint(folder / "last.ckpt")["epoch"] == 2
        assert load_checkpoint(folder / "best.ckpt")["epoch"] == 0, "no later epoch was better"

    def test_best_is_a_validated_epoch_where_not_every_one_is(self, fit, tmp_path) -> None:
        callbacks = (Checkpoint(), History(), LastCheckpoint())
        fit(*callbacks, epochs=5, check_val_every_n_epoch=2)
        folder = tmp_path / "checkpoints"
        assert load_checkpoint(folder / "best.ckpt")["epoch"] == 3
        assert load_checkpoint(folder / "last.ckpt")["epoch"] == 4

    def test_the_users_own_lightning_callbacks_may_stand_beside_ours(self, fit, tmp_path) -> None:
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
