"""The confusion matrix and the accuracy of each class are those of the best epoch, and of a test."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import confusion_matrix

from callbacks import Checkpoint, ConfusionMatrix, History, LastCheckpoint
from callbacks import confusion_matrix as module
from callbacks.confusion_matrix import draw_class_accuracy, draw_confusions
from datamodules import Diabetes, Digits
from models import Classifier, MultiLabelClassifier, Regressor
from models.networks import Linear
from tests.digit_labels import DigitLabels

FILES = ("confusion_matrix_val.png", "class_accuracy_val.png")


@pytest.fixture
def drawn(monkeypatch):
    """What is drawn: counts and title of each matrix."""
    found = []

    def draw(counts, names, title):
        found.append((counts, title))
        return draw_confusions(counts, names, title)

    monkeypatch.setattr(module, "draw_confusions", draw)
    return found


def test_validation_in_the_best_epoch_is_drawn_when_training_ends(fit, tmp_path, drawn) -> None:
    trainer = fit(History(), Checkpoint(), ConfusionMatrix(), epochs=4, lr=6.0)
    history = History.of(trainer)
    best = history.best("val/loss", "min")
    assert best["epoch"] < 3, "the last epoch is not the best here"
    ((counts, title),) = drawn
    assert counts.sum() == 144
    assert counts.trace() / counts.sum() == pytest.approx(best["val/accuracy"])
    assert title.endswith(f"validation, best epoch {best['epoch'] + 1}")
    for name in FILES:
        Image.open(tmp_path / "figures" / name).load()


def test_a_resumed_run_draws_the_same(fit, tmp_path, drawn) -> None:
    fit(History(), Checkpoint(), ConfusionMatrix(), epochs=3, lr=6.0)
    whole = [(tmp_path / "figures" / name).read_bytes() for name in FILES]
    fit(History(), Checkpoint(), ConfusionMatrix(), LastCheckpoint(), epochs=2, lr=6.0)
    last = tmp_path / "checkpoints" / "last.ckpt"
    fit(History(), Checkpoint(), ConfusionMatrix(), LastCheckpoint(), epochs=3, lr=6.0, resume=last)
    assert np.array_equal(drawn[0][0], drawn[2][0])
    assert [(tmp_path / "figures" / name).read_bytes() for name in FILES] == whole


def test_rows_are_true_classes_and_columns_predicted_ones(quiet_trainer, tmp_path, drawn) -> None:
    torch.manual_seed(0)
    data, task = Digits(eval_batch_size=100), Classifier(Linear((1, 8, 8), 10), 10)
    quiet_trainer(callbacks=[ConfusionMatrix()]).test(task, data, verbose=False)
    with torch.no_grad():
        predicted = task(data.samples.inputs[data.split.test]).argmax(-1)
    ((counts, title),) = drawn
    assert np.array_equal(counts, confusion_matrix(data.samples.targets[data.split.test], predicted, labels=range(10)))
    assert title.endswith(": test")
    assert (tmp_path / "figures" / "class_accuracy_test.png").is_file()


@pytest.mark.parametrize("kind", ["values", "labels"])
def test_without_classes_there_is_no_matrix(quiet_trainer, tmp_path, kind) -> None:
    if kind == "values":
        data = Diabetes()
        task = Regressor(Linear((10,), 1), data.target_mean, data.target_std)
    else:
        data, task = DigitLabels(), MultiLabelClassifier(Linear((1, 8, 8), 3), 3)
    quiet_trainer(max_epochs=1, callbacks=[ConfusionMatrix()]).fit(task, data)
    assert not (tmp_path / "figures").exists()


def test_counts_are_written_where_they_can_be_read_and_of_many_classes_the_largest_confusions() -> None:
    counts = np.diag([9, 8, 0]) + np.array([[0, 2, 0], [0, 0, 0], [0, 0, 0]])
    texts = [text.get_text() for text in draw_confusions(counts, ["a", "$x^{$", "c"], "run").axes[0].texts]
    assert texts == ["9", "2", "8"]
    many = np.eye(100, dtype=int) * 5
    many[3, 7], many[1, 2] = 11, 30
    figure = draw_confusions(many, [f"c{k}" for k in range(100)], "run")
    assert [len(axes.texts) for axes in figure.axes[:2]] == [0, 1]
    assert figure.axes[1].texts[0].get_text().splitlines()[1:] == ["30 × c1 taken for c2", "11 × c3 taken for c7"]


def test_classes_are_sorted_the_worst_first_and_of_many_the_worst_are_named() -> None:
    counts = np.array([[3, 1, 0], [0, 2, 2], [0, 0, 0]])
    axes = draw_class_accuracy(counts, ["good", "bad", "none there"], "run", "red").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["bad (4)", "good (4)"]
    assert [bar.get_width() for bar in axes.patches] == [0.5, 0.75]
    many = np.eye(100, dtype=int) * np.arange(1, 101)
    many[5, 6] = 90
    figure = draw_class_accuracy(many, [f"c{k}" for k in range(100)], "run", "red")
    assert figure._suptitle.get_text().replace("\n", " ") == "run; the worst 12 of 100 classes"
    assert figure.axes[0].get_yticklabels()[0].get_text() == "c5 (96)"
