"""Predictions are drawn against true values: of validation in the best epoch, and of a test."""

import pytest
import torch
from PIL import Image

from callbacks import History, PredictedAgainstTrue, regression_figures
from callbacks.metric_labels import metric_label, target_labels
from callbacks.regression_figures import MOST_POINTS, draw_predicted
from datamodules import Diabetes, Digits, Tabular, Thermometer
from models import Classifier, Regressor
from models.networks import Linear


def task_for(data):
    torch.manual_seed(0)
    return Regressor(Linear(data.input_shape, data.num_outputs), data.target_mean, data.target_std)


@pytest.fixture
def drawn(monkeypatch):
    found = []

    def draw(pairs, labels, title, color):
        found.append((pairs, labels, title))
        return draw_predicted(pairs, labels, title, color)

    monkeypatch.setattr(regression_figures, "draw_predicted", draw)
    return found


def test_validation_when_training_ends_and_test_are_drawn_in_the_targets_unit(quiet_trainer, tmp_path, drawn) -> None:
    data = Diabetes(eval_batch_size=30)
    task, trainer = task_for(data), quiet_trainer(max_epochs=2, callbacks=[History(), PredictedAgainstTrue()])
    trainer.fit(task, data)
    trainer.test(task, data, verbose=False)
    (val, labels, title), (test, _, _) = drawn
    assert labels == ["progression of diabetes (score)"]
    assert title.endswith("validation, best epoch 2")
    assert sorted(val[:, 0, 1]) == sorted(data.samples.targets[data.split.val, 0])
    with torch.no_grad():
        predicted = task(data.samples.inputs[data.split.test])
    assert torch.allclose(test[:, 0, 0], predicted[:, 0], atol=1e-3)
    for name in ("predicted_val.png", "predicted_test.png"):
        Image.open(tmp_path / "figures" / name).load()


@pytest.mark.parametrize("batch", [7, 1000, 5000])
def test_of_many_samples_each_nth_is_kept_whatever_the_batches(quiet_trainer, batch) -> None:
    figure, task = PredictedAgainstTrue(), task_for(Diabetes())
    assert figure.begin(task, Diabetes())
    for values in torch.arange(10_000.0).view(-1, 1).split(batch):
        figure.add(values, values + 1)
    collected = figure.collected(quiet_trainer())
    kept = collected["pairs"][:, 0, 0]
    assert MOST_POINTS / 2 <= len(kept) <= MOST_POINTS
    assert len(kept.diff().unique()) == 1
    assert int(collected["seen"]) == 10_000


def test_several_targets_stand_beside_each_other_and_classes_have_no_picture(quiet_trainer, tmp_path, drawn) -> None:
    rows = "".join(f"{k % 7},{k * 2 + k % 3},{-k}\n" for k in range(60))
    (tmp_path / "t.csv").write_text(f"x,height (m),$w^{{$\n{rows}")
    data = Tabular(str(tmp_path / "t.csv"), ["height (m)", "$w^{$"])
    quiet_trainer(max_epochs=1, callbacks=[History(), PredictedAgainstTrue()]).fit(task_for(data), data)
    assert drawn[0][1] == ["height (m)", "$w^{$"]
    assert (tmp_path / "figures" / "predicted_val.png").is_file()
    (tmp_path / "figures" / "predicted_val.png").unlink()
    classes = Classifier(Linear((1, 8, 8), 10), 10)
    quiet_trainer(max_epochs=1, callbacks=[History(), PredictedAgainstTrue()]).fit(classes, Digits())
    assert not (tmp_path / "figures" / "predicted_val.png").exists()


def test_axes_are_called_by_words_and_by_the_columns() -> None:
    data = Thermometer()
    assert metric_label("mae", task_for(data), data) == "mean absolute error (°C)"
    assert metric_label("loss", task_for(data), data) == "mean squared error"
    assert metric_label("accuracy", Classifier(Linear((1, 8, 8), 10), 10)) == "accuracy"
    assert metric_label("f1_macro", None) == "f1 macro"
    assert target_labels(data, 1) == ["temperature (°C)"]
    assert target_labels(None, 2) == ["target 1", "target 2"]
