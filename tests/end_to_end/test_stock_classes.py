"""Stock modules and datamodules of Lightning under the command: alone with ours, and both together."""

import json

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from callbacks import load_checkpoint

STOCK = """
import lightning as L
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset


class Data(L.LightningDataModule):
    def __init__(self, batch_size: int = 64):
        super().__init__()
        self.save_hyperparameters()

    def setup(self, stage):
        inputs, labels = load_digits(return_X_y=True)
        images = torch.tensor(inputs, dtype=torch.float32).view(-1, 1, 8, 8) / 16
        self.parts = [TensorDataset(images[k::3], torch.tensor(labels[k::3])) for k in range(3)]

    def loader(self, part, **options):
        return DataLoader(self.parts[part], self.hparams.batch_size, **options)

    def train_dataloader(self):
        return self.loader(0, shuffle=True)

    def val_dataloader(self):
        return self.loader(1)

    def test_dataloader(self):
        return self.loader(2)


class Stated(Data):
    num_classes = 10
    input_shape = (1, 8, 8)


class Mappings(Data):
    def loader(self, part, **options):
        items = [{"image": image, "label": label} for image, label in self.parts[part]]
        return DataLoader(items, self.hparams.batch_size, **options)


class Unready(L.LightningDataModule):
    def __init__(self):
        self.batch_size = 8


class Module(L.LightningModule):
    def __init__(self, width: int = 16, num_classes: int = 10, lr: float = 0.03):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, num_classes))

    def names(self, part):
        return f"{part}_loss", f"{part}_acc"

    def step(self, batch, part):
        inputs, labels = batch.values() if isinstance(batch, dict) else batch
        outputs = self.net(inputs)
        values = (cross_entropy(outputs, labels), (outputs.argmax(1) == labels).float().mean())
        for name, value in zip(self.names(part), values):
            if name:
                self.log(name, value, on_epoch=True)
        return values[0]

    def training_step(self, batch, number):
        return self.step(batch, "train")

    def validation_step(self, batch, number):
        self.step(batch, "val")

    def test_step(self, batch, number):
        self.step(batch, "test")

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), self.hparams.lr)


class Slashed(Module):
    def names(self, part):
        return f"{part}/loss", f"{part}/accuracy"


class WithoutLoss(Module):
    def names(self, part):
        return None, f"{part}_acc"


class Silent(Module):
    def names(self, part):
        return None, None
"""
SHORT = ("--trainer.max_epochs", "2", "--trainer.num_sanity_val_steps", "1")


@pytest.fixture(scope="module")
def own(new_desk, tmp_path_factory):
    """A desk beside `stock.py`, of a user with a key."""
    desk = new_desk()
    (desk.folder / "stock.py").write_text(STOCK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield desk


def fit(own, name: str, *flags: str) -> tuple[str, dict]:
    """Train; return what was printed, and the summary."""
    out = own.here("fit", *flags, *SHORT, "--name", name).stdout
    return out, json.loads((own.folder / "runs" / name / "version_0" / "summary.json").read_text())


@pytest.mark.parametrize(
    ("model", "data", "accuracy"),
    [
        ("stock.Module", "stock.Data", "acc"),
        ("stock.Module", "stock.Mappings", "acc"),
        ("stock.Slashed", "stock.Data", "accuracy"),
        ("stock.Module", "datamodules.Digits", "acc"),
    ],
)
def test_a_stock_module_trains_and_is_tested(own, model, data, accuracy) -> None:
    name = f"{model}-{data}"
    out, summary = fit(own, name, "--model", model, "--data", data)
    assert f"{model.split('.')[1]} is a stock LightningModule" in out
    assert ("stock LightningDataModule: no split checks" in out) == data.startswith("stock")
    assert "epoch 2/2  train/loss " in out
    assert "best epoch 2 of 2 by val/loss" in out
    assert summary["best"][f"val/{accuracy}"] > 0.3
    assert summary["gap"]["loss"] == summary["best"]["val/loss"] - summary["best"]["train/loss"]
    assert summary["samples_per_second"] > 0
    run = own.folder / "runs" / name / "version_0"
    assert (run / "split.json").exists() == (run / "split.csv").exists() == (data == "datamodules.Digits")
    assert (run / "figures" / "curves.png").exists()
    command = out.splitlines()[-1].removeprefix("test it     holdout ").split()
    own.here(*command)
    events = EventAccumulator(str(run)).Reload()
    assert events.PluginTagToContent("hparams").keys() >= {"_hparams_/session_start_info"}
    assert not (run / "hparams.yaml").exists()
    assert load_checkpoint(run / "checkpoints" / "best.ckpt")["hyper_parameters"]["width"] == 16
    tested = json.loads((run / "test.json").read_text())["metrics"]
    assert {key.replace("_", "/", 1) for key in tested} == {"test/loss", f"test/{accuracy}"}


@pytest.mark.parametrize("data", ["stock.Data", "datamodules.Digits"])
def test_a_stock_module_is_validated_and_goes_on(own, data) -> None:
    fit(own, f"more-{data}", "--model", "stock.Module", "--data", data, "--early_stopping", "null")
    run = f"runs/more-{data}/version_0"
    assert "val_loss" in own.here("validate", "--ckpt_path", run).stdout
    more = own.here("fit", "--ckpt_path", run, "--trainer.max_epochs", "3").stdout
    assert "resumed after epoch 2" in more
    assert "of 3 by val/loss" in more
    assert load_checkpoint(own.folder / run / "checkpoints" / "last.ckpt")["epoch"] == 2


def test_our_classifier_takes_a_stock_datamodule_that_states_its_shape(own) -> None:
    out, summary = fit(own, "stated", "--model", "Classifier", "--model.network", "MLP", "--data", "stock.Stated")
    assert "Stated is a stock LightningDataModule" in out
    assert summary["best"]["val/accuracy"] > 0.3
    assert "test/f1_macro" in own.here("test", "--ckpt_path", "runs/stated/version_0").stdout
    own.here("fit", "--ckpt_path", "runs/stated/version_0", "--trainer.max_epochs", "3")


def test_what_it_does_not_state_is_given_in_the_recipe(own) -> None:
    network = {"class_path": "models.networks.MLP", "init_args": {"input_shape": [1, 8, 8], "num_classes": 10}}
    recipe = {
        "model": {"class_path": "models.Classifier", "init_args": {"network": network, "num_classes": 10}},
        "data": {"class_path": "stock.Data"},
    }
    (own.folder / "given.yaml").write_text(yaml.safe_dump(recipe))
    _, summary = fit(own, "given", "-c", "given.yaml")
    assert summary["best"]["val/accuracy"] > 0.3
    assert "test/f1_macro" in own.here("test", "--ckpt_path", "runs/given/version_0").stdout
    printed = own.here("fit", "-c", "given.yaml", "--print_config").stdout
    assert yaml.safe_load(printed)["model"]["init_args"]["num_classes"] == 10


def test_without_a_loss_nothing_is_monitored_and_that_is_said(own) -> None:
    with pytest.warns(UserWarning, match="WithoutLoss logs neither val/loss nor val_loss.*choose from val_acc with"):
        out, _ = fit(own, "lossless", "--model", "stock.WithoutLoss", "--data", "stock.Data")
    assert "trained 2 epochs; val/loss was not measured\n  val/acc 0." in out
    assert "holdout test --ckpt_path runs/lossless/version_0/checkpoints/last.ckpt" in out
    assert [path.name for path in (own.folder / "runs/lossless/version_0/checkpoints").iterdir()] == ["last.ckpt"]


def test_a_metric_of_its_own_can_be_monitored(own) -> None:
    watch = ("--checkpoint.monitor", "val_acc", "--checkpoint.mode", "max", "--early_stopping.monitor", "val_acc")
    words = ("--model", "stock.WithoutLoss", "--data", "stock.Data", *watch, "--early_stopping.mode", "max", *SHORT)
    out = own.here("fit", *words, "--name", "watched", "--trainer.num_sanity_val_steps", "0").stdout
    assert "of 2 by val_acc" in out
    assert (own.folder / "runs/watched/version_0/checkpoints/best.ckpt").is_file()


def test_without_a_check_before_training_the_first_validation_tells(own) -> None:
    words = ("--model", "stock.Silent", "--data", "stock.Data", *SHORT, "--trainer.num_sanity_val_steps", "0")
    with pytest.warns(UserWarning, match="Silent logs neither val/loss nor val_loss: nothing stops the run early"):
        own.here("fit", *words, "--name", "silent")
    assert (own.folder / "runs/silent/version_0/checkpoints/last.ckpt").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("fit --model stock.Module --data stock.Dta", "data: there is no class stock.Dta; did you mean stock.Data?"),
        ("fit --model torch.nn.Linear --data stock.Data", "model: torch.nn.Linear is not a LightningModule"),
        ("fit --model stock.Module --data torch.nn.Linear", "data: torch.nn.Linear is not a LightningDataModule"),
        ("fit --model stock.Module --data stock.Data --model.widht 3", "Module has no argument 'widht'; did you"),
        ("fit --model stock.Module --data stock.Unready", "Unready: its __init__ must call super().__init__() first"),
        ("fit --model Classifier --model.network MLP --data stock.Data", "; give it in the recipe, or state input_sh"),
        ("fit --model stock.Module --data stock.Data --trainer.callbacks+ GeneralizationGap",
         "GeneralizationGap needs a task and a datamodule of Holdout, not Module and Data"),
        ("fit --model stock.Module --data stock.Data --checkpoint.monitor val_acc", "set min or max for 'val_acc'"),
        ("predict --ckpt_path runs/kept/version_0", "predict needs a Task of this project, and Module is not one"),
        ("test --ckpt_path runs/silent/version_0/checkpoints/last.ckpt", "Silent logs nothing in its test step: call"),
        ("test -c mixed.yaml", "test needs a checkpoint"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(own, words, said) -> None:
    for name, model in (("kept", "stock.Module"), ("silent", "stock.Silent")):
        if name in words and not (own.folder / "runs" / name).exists():
            own.here("fit", "--model", model, "--data", "stock.Data", *SHORT, "--name", name)
    (own.folder / "mixed.yaml").write_text("model: {class_path: stock.Module}\ndata: {class_path: stock.Data}\n")
    done = own.here(*words.split(), status=2)
    assert said in done.stderr
    assert done.stderr.splitlines()[-1].startswith("holdout: error: ")
    assert "Traceback" not in done.stderr
