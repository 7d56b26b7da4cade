"""Whether higher is better comes from the metric, and a monitor that will not be measured is refused."""

import lightning as L
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torchmetrics import Metric
from torchmetrics.classification import MulticlassCohenKappa

from callbacks import Checkpoint, Curves, EarlyStopping, GeneralizationGap, History, Summary
from callbacks.monitor import metric_mode
from datamodules import Diabetes, Digits
from models import Classifier, Regressor
from models.networks import Linear

MONITORS = [(EarlyStopping, "early_stopping"), (Checkpoint, "checkpoint")]


class Directionless(Metric):
    """A metric of which more is neither better nor worse."""

    def update(self, *_: object) -> None:
        pass

    def compute(self) -> torch.Tensor:
        return torch.tensor(1.0)


def task() -> Classifier:
    torch.manual_seed(0)
    return Classifier(Linear((1, 8, 8), 10), 10)


def fit(quiet_trainer, module, *callbacks, data=None, **options):
    trainer = quiet_trainer(callbacks=[*callbacks], enable_checkpointing=True, **({"max_epochs": 2} | options))
    trainer.fit(module, data or Digits(batch_size=500))
    return trainer


@pytest.mark.parametrize(("monitor", "mode"), [("val/loss", "min"), ("val/accuracy", "max"), ("val/f1_macro", "max")])
@pytest.mark.parametrize(("kind", "option"), MONITORS)
def test_the_metric_says_the_direction(quiet_trainer, kind, option, monitor, mode) -> None:
    callback = kind(monitor)
    fit(quiet_trainer, task(), callback)
    assert callback.mode == mode


def test_a_stated_mode_wins(quiet_trainer) -> None:
    checkpoint = Checkpoint("val/accuracy", mode="min")
    trainer = fit(quiet_trainer, task(), checkpoint, History())
    assert checkpoint.best_model_score == min(row["val/accuracy"] for row in History.of(trainer).rows)


@pytest.mark.parametrize(("monitor", "best"), [("val/huber", min), ("val/r2", max)])
def test_a_metric_of_regression_needs_no_mode(quiet_trainer, monitor, best) -> None:
    data = Diabetes(batch_size=50)
    module = Regressor(Linear((10,), 1), data.target_mean, data.target_std)
    checkpoint = Checkpoint(monitor)
    trainer = fit(quiet_trainer, module, checkpoint, EarlyStopping(monitor), Summary(monitor), data=data, max_epochs=5)
    values = [row[monitor] for row in History.of(trainer).rows]
    assert checkpoint.best_model_score == best(values)


@pytest.mark.parametrize(("kind", "option"), [*MONITORS, (Summary, "summary"), (Curves, "curves")])
def test_a_metric_without_a_direction_needs_a_mode(quiet_trainer, kind, option) -> None:
    module = task()
    module.val_metrics.add_metrics({"x": Directionless()})
    with pytest.raises(MisconfigurationException, match=rf"^{option}\.mode: set min or max for 'val/x'$"):
        fit(quiet_trainer, module, kind("val/x"))
    fit(quiet_trainer, module, kind("val/x", mode="max"))


@pytest.mark.parametrize(("kind", "option"), MONITORS)
def test_a_misspelt_monitor_is_refused_before_training(quiet_trainer, kind, option) -> None:
    history = History()
    with pytest.raises(MisconfigurationException, match=rf"{option}\.monitor.*'val/acc'.*val/accuracy.*val/loss"):
        fit(quiet_trainer, task(), history, kind("val/acc"))
    assert history.samples == 0


@pytest.mark.parametrize(("kind", "option"), MONITORS)
def test_a_probes_metric_is_refused(quiet_trainer, kind, option) -> None:
    with pytest.raises(MisconfigurationException, match=rf"{option}\.monitor: gap/loss is measured too late"):
        fit(quiet_trainer, task(), GeneralizationGap(), kind("gap/loss"))


def test_cohens_kappa_has_a_gap_of_the_right_sign(quiet_trainer) -> None:
    module = task()
    for metrics in (module.train_metrics, module.val_metrics):
        metrics.add_metrics({"kappa": MulticlassCohenKappa(10)})
    checkpoint = Checkpoint("val/kappa")
    trainer = fit(quiet_trainer, module, GeneralizationGap(samples=10_000), checkpoint, data=Digits(batch_size=50))
    assert checkpoint.mode == "max"
    gap = {name: trainer.callback_metrics[f"gap/{name}"].item() for name in ("kappa", "accuracy")}
    assert gap["kappa"] == pytest.approx(gap["accuracy"] * 10 / 9, rel=0.05), "kappa is accuracy beyond chance"


class Stranger(L.LightningModule):
    """A module that says nothing of its metrics."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(64, 10)

    def training_step(self, batch, batch_idx):
        loss = torch.nn.functional.cross_entropy(self.layer(batch[0].flatten(1)), batch[1])
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        outputs = self.layer(batch[0].flatten(1))
        self.log("val/loss", torch.nn.functional.cross_entropy(outputs, batch[1]))
        self.log("val/hits", (outputs.argmax(-1) == batch[1]).float().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_of_a_strangers_module_the_loss_alone_has_a_direction(quiet_trainer) -> None:
    assert metric_mode(Stranger(), "val/loss") == metric_mode(Stranger(), "val_loss") == "min"
    assert metric_mode(Stranger(), "val/hits") is None
    with pytest.raises(MisconfigurationException, match=r"^checkpoint\.mode: set min or max for 'val/hits'$"):
        fit(quiet_trainer, Stranger(), Checkpoint("val/hits"))
    checkpoint = Checkpoint("val/hits", mode="max")
    trainer = fit(quiet_trainer, Stranger(), checkpoint, EarlyStopping(), Curves(), Summary())
    assert checkpoint.best_model_score == max(row["val/hits"] for row in History.of(trainer).rows)


@pytest.mark.parametrize(("kind", "option"), MONITORS)
@pytest.mark.parametrize(
    ("options", "steps"), [({}, 3), ({"check_val_every_n_epoch": 2}, 6), ({"accumulate_grad_batches": 2}, 2)]
)
def test_a_run_that_ends_before_the_first_validation_is_refused(quiet_trainer, kind, option, options, steps) -> None:
    message = (
        rf"^{option}\.monitor: val/loss is never measured: trainer\.max_steps {steps - 1} ends .* after {steps} steps"
    )
    with pytest.raises(MisconfigurationException, match=message):
        fit(quiet_trainer, task(), kind(), max_steps=steps - 1, **options)
    trainer = fit(quiet_trainer, task(), kind(), max_steps=steps, **options)
    assert "val/loss" in trainer.callback_metrics
