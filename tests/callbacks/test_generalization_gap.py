"""The gap compares like with like: the same weights, evaluation mode, true labels, no augmentation."""

import functools

import lightning as L
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.optim import SGD

from callbacks import GeneralizationGap, History
from datamodules import Digits, RandomTranslate, SymmetricNoise
from models import Classifier
from models.networks import MLP
from models.regularizers import MixUp

sgd = functools.partial(SGD, lr=0.1)


def network():
    torch.manual_seed(0)
    return MLP((1, 8, 8), 10, dropout=0.5)


def trained(quiet_trainer, data, *callbacks, epochs=2, **options):
    L.seed_everything(0, verbose=False)
    task = Classifier(network(), 10, optimizer=sgd, regularizers=[MixUp(1.0)])
    trainer = quiet_trainer(callbacks=list(callbacks), max_epochs=epochs, **options)
    trainer.fit(task, data)
    return trainer, task


@pytest.mark.parametrize("noise", [None, SymmetricNoise(0.4)])
def test_the_gap_is_that_of_clean_samples_evaluated_with_the_weights_that_were_validated(quiet_trainer, noise):
    data = Digits(batch_size=200, label_noise=noise, augmentation=[RandomTranslate(2)])
    trainer, task = trained(quiet_trainer, data, GeneralizationGap(samples=10_000))
    task.eval()
    train = torch.from_numpy(data.split.train)
    clean = train[data.targets[train] == data.samples.targets[train]]
    expected = {}
    for part, indices in (("train", clean), ("val", torch.from_numpy(data.split.val))):
        with torch.no_grad():
            logits = task(data.samples.inputs[indices])
        labels = data.samples.targets[indices]
        expected[f"{part}/loss"] = torch.nn.functional.cross_entropy(logits, labels).item()
        expected[f"{part}/accuracy"] = (logits.argmax(-1) == labels).float().mean().item()
    logged = trainer.callback_metrics
    assert logged["gap/loss"].item() == pytest.approx(expected["val/loss"] - expected["train/loss"], abs=1e-5)
    assert logged["gap/accuracy"].item() == pytest.approx(
        expected["train/accuracy"] - expected["val/accuracy"], abs=1e-6
    )


def test_it_changes_nothing_of_the_training(quiet_trainer):
    weights = []
    for callbacks in ([], [GeneralizationGap(samples=100)]):
        _, task = trained(quiet_trainer, Digits(batch_size=200), *callbacks)
        weights.append(torch.cat([parameter.flatten() for parameter in task.parameters()]))
    assert torch.equal(*weights)


def test_it_is_measured_every_nth_epoch_and_in_the_last(quiet_trainer, tmp_path):
    history = History()
    trained(quiet_trainer, Digits(batch_size=500), GeneralizationGap(100, 2), history, epochs=5)
    assert [row["epoch"] for row in history.measured("gap/loss")] == [1, 3, 4]


def test_it_is_measured_where_only_some_epochs_are_validated(quiet_trainer):
    history = History()
    options = {"check_val_every_n_epoch": 2, "epochs": 9}
    trained(quiet_trainer, Digits(batch_size=500), GeneralizationGap(100, 3), history, **options)
    assert [row["epoch"] for row in history.measured("gap/loss")] == [3, 5, 7]  # validated: 1, 3, 5, 7, of which 7 last


def test_it_is_measured_where_validations_are_steps_apart(quiet_trainer):
    history = History()
    options = {"check_val_every_n_epoch": None, "val_check_interval": 12, "epochs": 9}
    trained(quiet_trainer, Digits(batch_size=500), GeneralizationGap(100, 3), history, **options)
    assert [row["epoch"] for row in history.measured("gap/loss")] == [3, 7]  # 3 steps an epoch: validated in 3 and 7


def test_a_run_that_goes_on_from_a_validation_within_an_epoch_keeps_what_was_measured(quiet_trainer, tmp_path):
    rows = []
    for resumed in (False, True):
        history, data = History(), Digits(batch_size=200)
        saved = ModelCheckpoint(tmp_path, save_top_k=-1, filename="{step}", monitor="val/loss")
        L.seed_everything(0, verbose=False)
        trainer = quiet_trainer(
            callbacks=[GeneralizationGap(100), history, saved],
            max_epochs=2,
            val_check_interval=0.5,
            enable_checkpointing=True,
        )
        task = Classifier(network(), 10, optimizer=sgd)
        trainer.fit(task, data, ckpt_path=tmp_path / "step=6.ckpt" if resumed else None)
        rows.append(history.measured("gap/loss"))
    assert [row["epochs_done"] for row in rows[0]] == pytest.approx([3 / 7, 6 / 7, 10 / 7, 13 / 7])
    for one, other in zip(*rows, strict=True):
        assert one == pytest.approx(other)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"overfit_batches": 2}, "trainer.overfit_batches trains on a few batches"),
        ({"limit_val_batches": 0}, "trainer.limit_val_batches is 0"),
    ],
)
def test_a_run_in_which_it_would_say_nothing_is_refused(quiet_trainer, options, words):
    with pytest.raises(MisconfigurationException, match=f"GeneralizationGap measures .*{words}"):
        trained(quiet_trainer, Digits(batch_size=200), GeneralizationGap(), **options)


def test_the_subset_has_the_size_asked_for_and_every_class(quiet_trainer):
    callback, data = GeneralizationGap(samples=100), Digits(batch_size=500)
    trained(quiet_trainer, data, callback, epochs=1)
    labels = data.targets[callback._evaluation.indices]
    assert len(labels) == 100
    assert labels.bincount(minlength=10).tolist() == pytest.approx([10] * 10, abs=1)


def test_wrong_arguments_and_labels_are_refused(quiet_trainer):
    with pytest.raises(ValueError, match="GeneralizationGap: samples 0 is less than 1"):
        GeneralizationGap(samples=0)
    with pytest.raises(MisconfigurationException, match="no training sample has its true label"):
        trained(quiet_trainer, Digits(label_noise=SymmetricNoise(1.0)), GeneralizationGap())
