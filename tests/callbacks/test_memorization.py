"""Wrong labels that a network predicts are counted as memorised, right ones as learnt."""

import functools

import lightning as L
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from matplotlib.image import imread
from torch.optim import SGD, Adam

from callbacks import History, Memorization
from callbacks.memorization import draw_memorization, memorized_fractions
from datamodules import Digits, SymmetricNoise
from models import Classifier
from models.networks import MLP
from tests.digit_labels import WeightedDigits


def trained(quiet_trainer, data, optimizer, epochs=1, **options):
    L.seed_everything(0, verbose=False)
    task = Classifier(MLP((1, 8, 8), 10, widths=[512]), 10, optimizer=optimizer)
    history = History()
    trainer = quiet_trainer(callbacks=[Memorization(**options), history], max_epochs=epochs)
    trainer.fit(task, data)
    return trainer, task, history


def test_fractions_are_counted_by_hand():
    predicted, given, true = torch.tensor([1, 1, 2, 3, 0]), torch.tensor([1, 0, 2, 0, 1]), torch.tensor([0, 1, 1, 2, 2])
    fractions = memorized_fractions(predicted, given, true)
    assert fractions == pytest.approx({"wrong_label": 0.4, "true_label": 0.2, "neither": 0.4})


def test_a_few_epochs_learn_and_many_memorise(quiet_trainer, tmp_path):
    data = Digits(batch_size=100, label_noise=SymmetricNoise(0.3))
    _, _, history = trained(quiet_trainer, data, functools.partial(Adam, lr=3e-3), epochs=50)
    early, late = history.rows[1], history.rows[-1]
    assert early["memorization/true_label"] > 0.7
    assert early["memorization/wrong_label"] < 0.15
    assert late["memorization/wrong_label"] > 0.7
    assert late["memorization/clean_accuracy"] > 0.95
    for row in history.rows:
        fractions = [row[f"memorization/{name}"] for name in ("wrong_label", "true_label", "neither")]
        assert sum(fractions) == pytest.approx(1)
    assert imread(tmp_path / "figures" / "memorization.png").shape[0] > 300


def test_the_fractions_are_of_the_wrong_labels_of_the_training_part(quiet_trainer):
    data = Digits(batch_size=500, label_noise=SymmetricNoise(0.5))
    trainer, task, _ = trained(quiet_trainer, data, functools.partial(SGD, lr=0.1))
    train = torch.from_numpy(data.split.train)
    given, true = data.targets[train], data.samples.targets[train]
    with torch.no_grad():
        predicted = task.eval()(data.samples.inputs[train]).argmax(-1)
    wrong = given != true
    expected = memorized_fractions(predicted[wrong], given[wrong], true[wrong])
    logged = {name: trainer.callback_metrics[f"memorization/{name}"].item() for name in expected}
    assert logged == pytest.approx(expected)
    clean = (predicted == true)[~wrong].float().mean().item()
    assert trainer.callback_metrics["memorization/clean_accuracy"].item() == pytest.approx(clean)


def test_weights_of_samples_do_not_weigh_the_fractions(quiet_trainer):
    data = WeightedDigits(batch_size=500, label_noise=SymmetricNoise(0.5))
    trainer, task, _ = trained(quiet_trainer, data, functools.partial(SGD, lr=0.1))
    train = torch.from_numpy(data.split.train)
    wrong = train[data.targets[train] != data.samples.targets[train]]
    with torch.no_grad():
        predicted = task.eval()(data.samples.inputs[wrong]).argmax(-1)
    expected = memorized_fractions(predicted, data.targets[wrong], data.samples.targets[wrong])
    assert trainer.callback_metrics["memorization/wrong_label"].item() == pytest.approx(expected["wrong_label"])


@pytest.mark.parametrize("rate", [0.05, 0.9])  # few wrong labels, or few true ones
def test_the_accuracy_on_true_labels_is_of_at_most_the_samples_asked_for(quiet_trainer, rate):
    data = Digits(batch_size=500, label_noise=SymmetricNoise(rate))
    trainer, *_ = trained(quiet_trainer, data, functools.partial(SGD, lr=0.1), samples=97)
    accuracy = trainer.callback_metrics["memorization/clean_accuracy"].item()
    right = 97 * accuracy
    assert right == pytest.approx(round(right), abs=1e-4)


def test_the_figure_stacks_the_fractions_to_1():
    rows = [
        {
            "epoch": epoch,
            "memorization/wrong_label": fraction,
            "memorization/true_label": 0.9 - fraction,
            "memorization/neither": 0.1,
            "memorization/clean_accuracy": 0.9,
            "val/accuracy": 0.8,
        }
        for epoch, fraction in enumerate((0.1, 0.5, 0.9))
    ]
    (axes,) = draw_memorization(rows, "wrong labels").axes
    assert [line.get_xydata().tolist() for line in axes.lines] == [
        [[1, 0.9], [2, 0.9], [3, 0.9]],
        [[1, 0.8], [2, 0.8], [3, 0.8]],
    ]
    assert len(axes.collections) == 3


def test_without_wrong_labels_there_is_nothing_to_measure(quiet_trainer):
    with pytest.raises(MisconfigurationException, match=r"no training label is wrong on purpose; set data.label_noise"):
        trained(quiet_trainer, Digits(), functools.partial(SGD, lr=0.1))
    with pytest.raises(ValueError, match="Memorization: every_n_epochs 0"):
        Memorization(every_n_epochs=0)
