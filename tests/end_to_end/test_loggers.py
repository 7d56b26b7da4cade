"""The loggers of a run: TensorBoard's tables, and CSV, W&B and MLflow beside it."""

import csv
import json
from pathlib import Path

import pytest
import torch
import yaml
from tensorboard import context
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.data.provider import ListHyperparametersResult
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.list_session_groups import Handler

from scripts.run_differences import events

LOOKS_AT_PICTURES = True

FAILING = """
from lightning import Callback


class Failing(Callback):
    changes_training = False

    def on_train_batch_end(self, trainer, *_):
        if trainer.current_epoch == 2:
            raise RuntimeError("the machine is gone")
"""


def hparams_table(runs: Path) -> tuple[list[str], list[str], dict[str, dict]]:
    """Return the settings and metrics that TensorBoard shows, in its order, and the row of each run."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(runs))
    multiplexer.Reload()
    backend = Context(TBContext(data_provider=MultiplexerDataProvider(multiplexer, str(runs))))
    request, none = context.RequestContext(), ListHyperparametersResult(hyperparameters=[], session_groups=[])
    experiment = backend.experiment_from_metadata(request, "", True, backend.hparams_metadata(request, ""), none)
    statuses = [api_pb2.STATUS_SUCCESS, api_pb2.STATUS_UNKNOWN]
    wanted = api_pb2.ListSessionGroupsRequest(slice_size=100, allowed_statuses=statuses)
    rows = {}
    for group in Handler(request, backend, "", wanted).run().session_groups:
        settings = {name: getattr(value, value.WhichOneof("kind")) for name, value in group.hparams.items()}
        metrics = {value.name.tag: value.value for value in group.metric_values}
        rows[group.name] = settings | metrics
    settings = [info.name for info in experiment.hparam_infos]
    return settings, [info.name.tag for info in experiment.metric_infos], rows


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if value} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def runs(desk) -> Path:
    """The folder of three runs, of which the first is tested twice."""
    mixup = ("-c", "configs/regularizers/mixup.yaml")
    plain = desk.fit("table", epochs=1)
    desk.fit("table", *mixup, "--model.network.dropout", "0.5", epochs=1)
    desk.fit("table", "--model.network", "Linear", "--early_stopping.patience", "3", epochs=2)
    for _ in range(2):
        desk.here("test", "--ckpt_path", str(plain))
    return desk.folder / "runs"


@pytest.fixture(scope="module")
def whole(desk) -> Path:
    return desk.fit("whole", "--trainer.logger+", "CSVLogger", epochs=4)


class TestHParams:
    def test_what_was_varied_comes_first_and_is_blank_nowhere(self, runs) -> None:
        settings, _, rows = hparams_table(runs)
        varied = ["early_stopping.patience", "network", "network.dropout", "regularizers", "trainer.max_epochs"]
        assert settings[:5] == varied
        first, second, third = rows.values()
        assert [row["network"] for row in (first, second, third)] == ["MLP", "MLP", "Linear"]
        assert [row["regularizers"] for row in (first, second, third)] == ["none", "MixUp", "none"]
        assert [row["early_stopping.patience"] for row in (first, second, third)] == [10, 10, 3]
        assert second["MixUp.alpha"] == 0.2
        shared = {"seed", "optimizer", "optimizer.lr", "lr_scheduler", "batch_size", "split.train_fraction", "loss"}
        shared |= {"label_noise", "augmentation", "trainer.precision", "trainer.gradient_clip_val", "train_samples"}
        assert all(shared <= row.keys() for row in rows.values())
        assert first["loss"] == "CrossEntropyLoss", "what is not set is resolved"
        assert first["label_noise"] == first["augmentation"] == "none"
        assert len(settings) < 70

    def test_the_results_are_the_first_metrics(self, runs) -> None:
        _, metrics, rows = hparams_table(runs)
        assert metrics[:4] == ["best/accuracy", "best/loss", "best/test_accuracy", "best/test_loss"]
        folder = runs / "table" / "version_0"
        first, second, _ = rows.values()
        tested = json.loads((folder / "test.json").read_text())["metrics"]
        summary = json.loads((folder / "summary.json").read_text())
        assert first["best/test_loss"] == pytest.approx(tested["test/loss"])
        assert first["best/loss"] == pytest.approx(summary["best"]["val/loss"])
        assert "best/test_loss" not in second
        assert len(list(folder.glob("events.*"))) == 2, "the second test replaces the first"

    def test_runs_are_told_apart_by_name(self, runs) -> None:
        assert [*hparams_table(runs)[2]] == [
            "table/version_0 MLP in runs", "table/version_1 MixUp, MLP in runs", "table/version_2 Linear in runs",
        ]  # fmt: skip

    def test_one_name_for_each_thing(self, runs) -> None:
        tags = {tag for tag, _, value in events(runs / "table" / "version_1") if isinstance(value, float)}
        assert {tag.split("/")[0] for tag in tags} == {"best", "lr", "train", "val"}
        assert "lr" in tags


class TestCSV:
    def test_beside_tensorboard_all_lies_in_the_runs_folder(self, whole) -> None:
        assert {path.name for path in whole.iterdir() if "events" not in path.name} == {
            "config.yaml", "metrics.csv", "hparams.yaml", "checkpoints", "figures", "split.csv", "split.json",
            "summary.json",
        }  # fmt: skip
        assert len(list(whole.glob("events.*"))) == 1
        assert len(list(whole.glob("checkpoints/*.ckpt"))) == 2
        assert yaml.safe_load((whole / "hparams.yaml").read_text())["network.dropout"] == 0.2

    def test_has_each_epoch_once(self, whole) -> None:
        rows = rows_of(whole)
        assert [row["epoch"] for row in rows if "val/loss" in row] == ["0", "1", "2", "3"]
        assert [row["epoch"] for row in rows if "train/loss" in row] == ["0", "1", "2", "3"]
        assert len([row for row in rows if "lr" in row]) == 4

    def test_a_run_that_broke_off_ends_with_the_same_file(self, desk, whole) -> None:
        (desk.folder / "failing.py").write_text(FAILING)
        flags = (*desk.digits(4), "--name", "broken", "--trainer.logger+", "CSVLogger")
        desk.here("fit", *flags, "--trainer.callbacks", "[failing.Failing]", status=2)
        broken = desk.folder / "runs" / "broken" / "version_0"
        assert rows_of(broken)[-1]["step"] == "42", "the rate of the epoch it broke off in"
        desk.here("fit", *flags, "--ckpt_path", "last")
        assert (broken / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
        assert (broken / "hparams.yaml").read_bytes() == (whole / "hparams.yaml").read_bytes()

    def test_alone_it_replaces_tensorboard_and_keeps_the_run_together(self, desk) -> None:
        folder = desk.fit("alone", "--trainer.logger", "CSVLogger", epochs=1)
        assert not list(folder.glob("events.*"))
        assert {path.name for path in folder.glob("checkpoints/*")} == {"best.ckpt", "last.ckpt"}
        assert (folder / "figures" / "curves.png").is_file()
        assert rows_of(folder)[-1].keys() == {"best/accuracy", "best/loss", "step"}
        before = (folder / "metrics.csv").read_bytes()
        desk.here("test", "--ckpt_path", str(folder), "--trainer.logger", "CSVLogger")
        assert (folder / "metrics.csv").read_bytes() == before

    def test_the_runs_settings_repeat_it(self, desk, whole) -> None:
        assert yaml.safe_load((whole / "config.yaml").read_text())["trainer"]["logger"][0] is None
        desk.here("fit", "-c", str(whole / "config.yaml"), "--name", "again", "--trainer.max_epochs", "1")
        again = desk.folder / "runs" / "again" / "version_0"
        assert (again / "metrics.csv").is_file()
        assert len(list(again.glob("events.*"))) == 1


def test_a_logger_that_knows_no_run_folder_leaves_the_run_together(desk) -> None:
    flags = ("--trainer.logger", "lightning.pytorch.loggers.CSVLogger", "--trainer.logger.save_dir", "elsewhere")
    folder = desk.fit("theirs", *flags, epochs=1)
    assert {path.name for path in folder.glob("checkpoints/*")} == {"best.ckpt", "last.ckpt"}
    (metrics,) = (desk.folder / "elsewhere").rglob("metrics.csv")
    assert "best/loss" in metrics.read_text().splitlines()[0]


@pytest.mark.parametrize(("name", "package"), [("WandbLogger", "wandb"), ("MLFlowLogger", "mlflow")])
def test_what_is_not_installed_is_one_line_that_brings_it(desk, monkeypatch, name, package) -> None:
    monkeypatch.setattr("datamodules.optional.find_spec", lambda _: None)
    done = desk.here("fit", *desk.digits(1), "--name", "lacking", "--trainer.logger+", name, status=2)
    assert done.stderr == f"holdout: error: {name} needs {package}: pip install 'holdout[{package}]'\n"
    assert not (desk.folder / "runs" / "lacking").exists()


class TestWandb:
    @pytest.fixture
    def begun(self, monkeypatch) -> list:
        """The runs that begin: as W&B was asked for them, and they themselves."""
        wandb = pytest.importorskip("wandb")
        monkeypatch.setenv("WANDB_MODE", "offline")
        asked, init = [], wandb.init

        def spy(**options: object):
            run = init(**options)
            asked.append((options, run))
            return run

        monkeypatch.setattr(wandb, "init", spy)
        return asked

    @pytest.mark.slow
    def test_a_run_and_its_settings_are_there_and_a_resumed_run_is_the_same(self, desk, begun) -> None:
        folder = desk.fit("weights", "--trainer.logger+", "WandbLogger", epochs=1)
        done = desk.here("fit", "--ckpt_path", str(folder), "--trainer.max_epochs", "2")
        (first, run), (second, _) = begun
        assert first["id"] == second["id"] == json.loads((folder / "loggers.json").read_text())["WandbLogger"]
        assert (first["project"], first["name"]) == ("weights", "version_0 MLP")
        assert run.config["network"] == "MLP"
        assert run.config["network.dropout"] == 0.2
        assert len(list((folder / "wandb").glob("offline-run-*"))) == 2, "in the run's folder"
        assert torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 1
        assert f"wandb sync {folder.relative_to(desk.folder)}/wandb/" in done.stdout

    def test_what_is_refused_leaves_no_run_there(self, desk, begun) -> None:
        flags = ("--trainer.logger", "WandbLogger", "--early_stopping.monitor", "val/none")
        desk.here("fit", *desk.digits(1), *flags, status=2)
        assert not begun


@pytest.mark.slow
def test_mlflow_has_the_runs_settings_and_a_resumed_run_goes_on_in_it(desk) -> None:
    tracking = pytest.importorskip("mlflow").MlflowClient
    folder = desk.fit("tracked", "--trainer.logger+", "MLFlowLogger", epochs=1)
    desk.here("fit", "--ckpt_path", str(folder), "--trainer.max_epochs", "2")
    desk.here("test", "--ckpt_path", str(folder), "--trainer.logger", "MLFlowLogger")
    client = tracking(f"sqlite:///{desk.folder}/runs/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("tracked").experiment_id])
    assert run.info.run_id == json.loads((folder / "loggers.json").read_text())["MLFlowLogger"]
    assert (run.info.run_name, run.info.status) == ("version_0 MLP", "FINISHED")
    assert (run.data.params["network"], run.data.params["optimizer.lr"]) == ("MLP", "0.002")
    assert [point.step for point in client.get_metric_history(run.info.run_id, "val/loss")] == [20, 41]
    assert run.data.metrics["test/accuracy"] > 0.5
    assert {path.name for path in folder.glob("checkpoints/*")} == {"best.ckpt", "last.ckpt"}
