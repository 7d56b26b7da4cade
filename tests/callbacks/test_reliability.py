"""The reliability diagram shows what a test measured, before and after the temperature."""

import pytest
import torch

from callbacks import ReliabilityDiagram, ValidationOutputs
from callbacks.figures import as_png
from callbacks.reliability import draw_reliability
from datamodules import Diabetes, Digits
from models import Classifier, MultiLabelClassifier, Regressor
from models.calibration import Calibration
from models.metrics.calibration import ExpectedCalibrationError, each_label, expected_gap, top_class
from models.networks import Linear
from tests.digit_labels import DigitLabels

BINS = torch.tensor([[0.0, 4.0, 20.0], [0.0, 2.2, 18.5], [0.0, 1.0, 20.0]])


@pytest.fixture
def task():
    torch.manual_seed(0)
    return Classifier(Linear((1, 8, 8), 10), 10)


@pytest.fixture
def drawn(monkeypatch):
    """What was drawn: panels and title."""
    figures = []

    def keep(panels, title, labels):
        figures.append((panels, title))
        return draw_reliability(panels, title, labels)

    monkeypatch.setattr("callbacks.reliability.draw_reliability", keep)
    return figures


@pytest.mark.parametrize("batch_size", [7, 512])
def test_its_panels_are_before_and_after_the_temperature(quiet_trainer, task, drawn, tmp_path, batch_size):
    data = Digits(eval_batch_size=batch_size)
    data.setup()
    task.take_calibration(Calibration(2.5))
    quiet_trainer(callbacks=[ReliabilityDiagram()]).test(task, data, verbose=False)
    ((panels, title),) = drawn
    assert title.endswith("reliability on 359 test samples")
    logits = task(data.samples.inputs[data.split.test]).detach()
    for bins, scale in zip(panels.values(), (2.5, 1), strict=True):
        error = ExpectedCalibrationError()
        error.update(logits * scale, data.samples.targets[data.split.test])
        assert expected_gap(bins).item() == pytest.approx(error.compute().item(), abs=1e-6)
    assert list(panels) == ["temperature 1", "temperature 2.5"]
    assert (tmp_path / "figures" / "reliability.png").is_file()


def test_there_is_one_panel_without_a_temperature_and_none_of_continuous_targets(quiet_trainer, task, drawn):
    quiet_trainer(callbacks=[ReliabilityDiagram()]).test(task, Digits(), verbose=False)
    assert [list(panels) for panels, _ in drawn] == [["not scaled"]]
    data = Diabetes()
    data.setup()
    regressor = Regressor(Linear((10,), 1), data.target_mean, data.target_std)
    quiet_trainer(callbacks=[ReliabilityDiagram()]).test(regressor, data, verbose=False)
    assert len(drawn) == 1


def test_of_several_labels_each_counts(quiet_trainer, drawn):
    task = MultiLabelClassifier(Linear((1, 8, 8), 3), 3)
    quiet_trainer(callbacks=[ReliabilityDiagram()]).test(task, DigitLabels(), verbose=False)
    ((panels, title),) = drawn
    assert title.endswith(f"{3 * 359:,} test labels")
    assert panels["not scaled"][0].sum() == 3 * 359


def test_bars_are_rates_and_gaps_end_at_the_mean_probability():
    figure = draw_reliability({"one": BINS, "two": BINS}, "a title")
    above = figure.axes[0]
    rates, gaps = above.containers
    assert [bar.get_height() for bar in rates] == pytest.approx([0, 0.25, 1])
    assert [bar.get_y() + bar.get_height() for bar in gaps] == pytest.approx([0, 0.55, 0.925])
    assert [bar.get_height() for bar in figure.axes[1].containers[0]] == pytest.approx([0, 4 / 24, 20 / 24])
    assert "calibration error 11.25%" in above.get_title()
    pale, full = rates[1].get_facecolor(), rates[2].get_facecolor()
    assert pale != full, "a bin of four samples says little"


@pytest.mark.parametrize("judge", [top_class, each_label])
def test_probabilities_are_judged_by_what_came_true(judge):
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    targets = torch.tensor([0, 0]) if judge is top_class else torch.tensor([[True, False], [True, True]])
    confidences, correct = judge(logits, targets)
    expected = [0.8808, 0.7311] if judge is top_class else [0.8808, 0.5, 0.5, 0.7311]
    assert confidences.tolist() == pytest.approx(expected, abs=1e-4)
    assert correct.tolist() == ([True, False] if judge is top_class else [True, False, True, True])


def test_the_outputs_of_a_validation_are_kept_without_calibration(quiet_trainer, task):
    data, kept = Digits(eval_batch_size=50), ValidationOutputs()
    data.setup()
    task.take_calibration(Calibration(2.5))
    quiet_trainer(callbacks=[kept]).validate(task, data, verbose=False)
    assert task.temperature == 1
    with torch.no_grad():
        expected = task(data.samples.inputs[data.split.val])
    torch.testing.assert_close(kept.outputs, expected)
    assert torch.equal(kept.targets, data.samples.targets[data.split.val])


def test_a_validation_step_that_returns_nothing_is_named(quiet_trainer):
    class Mute(Classifier):
        def validation_step(self, batch, batch_idx):
            super().validation_step(batch, batch_idx)

    task = Mute(Linear((1, 8, 8), 10), 10)
    with pytest.raises(RuntimeError, match="Mute: its validation_step must return the predictions"):
        quiet_trainer(callbacks=[ValidationOutputs()]).validate(task, Digits(), verbose=False)


def test_a_run_may_have_any_name() -> None:
    assert as_png(draw_reliability({"not scaled": BINS}, "$x^{$/version_0: reliability"))
