"""A run that is cut and goes on, and what its checkpoint holds, on scikit-learn's digits."""

import functools

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.optim import lr_scheduler

from datamodules import Digits, RandomTranslate
from models import Classifier, WarmupCosine
from models.networks import MLP, Linear
from models.regularizers import DisturbLabel, Regularizer


class SaveAt(L.Callback):
    """Saves a checkpoint once after a certain step."""

    def __init__(self, step, path):
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


class RandomAtFirst(L.Callback):
    """Keeps the state of torch's generator before the first step."""

    state = None

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.state = torch.get_rng_state() if self.state is None else self.state


def weights(task):
    return torch.cat([parameter.detach().flatten() for parameter in task.network.parameters()])


def noisy_task(**options):
    torch.manual_seed(0)
    network = MLP((1, 8, 8), 10, [32], dropout=0.3, norm="batch")
    return Classifier(
        network,
        10,
        regularizers=[DisturbLabel(20)],
        **(
            {"lr_scheduler": functools.partial(WarmupCosine, warmup_fraction=0.5), "lr_scheduler_interval": "step"}
            | options
        ),
    )


def noisy_data():
    return Digits(batch_size=200, augmentation=[RandomTranslate(1)])  # 7 steps an epoch


@pytest.fixture
def cut_and_resumed(fit, tmp_path):
    """Train noisily for three epochs, and once more from a checkpoint saved on the way; return tasks and metrics."""

    def run_both(step):
        whole, resumed = noisy_task(), noisy_task()
        expected = fit(whole, noisy_data(), max_epochs=3, callbacks=[SaveAt(step, tmp_path / "cut.ckpt")])
        trainer = fit(resumed, noisy_data(), max_epochs=3, ckpt_path=tmp_path / "cut.ckpt")
        assert trainer.global_step == expected.global_step == 21
        return whole, resumed, expected.callback_metrics, trainer.callback_metrics

    return run_both


@pytest.mark.parametrize("step", [1, 7, 10, 14, 20])
def test_a_resumed_run_ends_with_the_same_weights_and_metrics_wherever_it_was_cut(cut_and_resumed, step):
    whole, resumed, expected, metrics = cut_and_resumed(step)
    assert torch.equal(weights(resumed), weights(whole))
    assert metrics == expected


def test_a_run_resumed_on_another_number_of_devices_says_so_and_draws_other_numbers_than_it_began_with(fit, tmp_path):
    saved = [SaveAt(step, tmp_path / f"{step}.ckpt") for step in (7, 10)]
    fit(noisy_task(), noisy_data(), callbacks=saved, max_epochs=2)
    drawn = []
    for step in (7, 7, 10):
        checkpoint = torch.load(tmp_path / f"{step}.ckpt", weights_only=True)
        checkpoint["device_states"] *= 2
        torch.save(checkpoint, tmp_path / "two.ckpt")
        record = RandomAtFirst()
        with pytest.warns(UserWarning, match="^the number of devices changed from 2 to 1: the resumed run is not bit"):
            fit(noisy_task(), noisy_data(), max_epochs=3, ckpt_path=tmp_path / "two.ckpt", callbacks=[record])
        drawn.append(record.state)
    assert torch.equal(drawn[0], drawn[1]), "the same each time"
    assert not torch.equal(drawn[0], drawn[2]), "another wherever it goes on"


@pytest.mark.parametrize("step", [2, 3])
def test_overfitting_goes_on_with_the_same_batches(fit, tmp_path, step):
    whole, resumed = noisy_task(), noisy_task()
    options = {"max_epochs": 3, "overfit_batches": 2}
    fit(whole, noisy_data(), callbacks=[SaveAt(step, tmp_path / "cut.ckpt")], **options)
    assert fit(resumed, noisy_data(), ckpt_path=tmp_path / "cut.ckpt", **options).global_step == 6
    assert torch.equal(weights(resumed), weights(whole))


def test_a_checkpoint_holds_only_what_loads_safely(fit, tmp_path):
    task = noisy_task(lr_scheduler=lr_scheduler.ReduceLROnPlateau, lr_scheduler_interval="epoch")
    fit(task).save_checkpoint(tmp_path / "run.ckpt")
    checkpoint = torch.load(tmp_path / "run.ckpt", weights_only=True)
    assert checkpoint["split"]["source"]["name"] == "Digits"
    assert "split" not in checkpoint["Digits"], "stored once"
    assert len(checkpoint["device_states"]) == 1
    fresh = noisy_task()
    fresh.load_state_dict(checkpoint["state_dict"])
    assert torch.equal(weights(fresh), weights(task))


class Late(Regularizer):
    """Makes room for what it remembers at the first batch, where a checkpoint does not find it."""

    def __init__(self):
        super().__init__()
        self.register_buffer("centre", None)

    def perturb(self, inputs, targets):
        self.register_buffer("centre", inputs.mean(0))
        return inputs, targets


def test_what_a_regularizer_remembers_is_no_matter_of_evaluation(quiet_trainer, tmp_path):
    def task():
        torch.manual_seed(0)
        return Classifier(Linear((1, 8, 8), 10), 10, regularizers=[Late()])

    trained, data = task(), Digits(batch_size=500)
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(trained, data)
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    (expected,) = quiet_trainer().validate(trained, data, verbose=False)
    (found,) = quiet_trainer().validate(task(), Digits(batch_size=500), tmp_path / "one.ckpt", verbose=False)
    assert found == expected
    with pytest.raises(RuntimeError, match=r"regularizers\.0\.centre"):
        quiet_trainer(max_epochs=2).fit(task(), Digits(batch_size=500), ckpt_path=tmp_path / "one.ckpt")


def test_a_model_loaded_from_a_checkpoint_trains_as_a_new_one_with_its_weights(fit, tmp_path):
    path = tmp_path / "step_2.ckpt"  # within the first epoch, which a new run begins again
    data = noisy_data()
    fit(noisy_task(), data, callbacks=[SaveAt(2, path)])
    loaded, new = Classifier.load_from_checkpoint(path), noisy_task()
    new.load_state_dict(torch.load(path, weights_only=True)["state_dict"])
    results = [fit(task, data).callback_metrics["train/loss"] for task in (loaded, new)]
    assert results[0] == results[1]
    assert torch.equal(weights(loaded), weights(new))


class Logged(L.Callback):
    """Keeps the logged metrics that a callback finds before each step."""

    def __init__(self):
        self.found = {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.found[trainer.global_step] = {name: float(value) for name, value in trainer.callback_metrics.items()}


@pytest.mark.parametrize("step", [7, 10, 14, 20])
def test_callbacks_find_the_metrics_that_were_logged_before_the_checkpoint(fit, tmp_path, step):
    whole, resumed = Logged(), Logged()
    options = {"max_epochs": 3, "check_val_every_n_epoch": 2, "enable_checkpointing": True}
    epochs = ModelCheckpoint(tmp_path, "{step}", save_top_k=-1, save_on_train_epoch_end=True)
    within = [SaveAt(number, tmp_path / f"step={number}.ckpt") for number in (10, 20)]
    fit(noisy_task(), noisy_data(), callbacks=[whole, epochs, *within], **options)
    fit(noisy_task(), noisy_data(), callbacks=[resumed], ckpt_path=tmp_path / f"step={step}.ckpt", **options)
    assert resumed.found == {number: found for number, found in whole.found.items() if number >= step}
    assert "val/loss" in whole.found[20]
