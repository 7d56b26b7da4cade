"""The picture of the fit shows every reading and the line that was learnt."""

import functools

import lightning as L
import numpy as np
import pytest
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch.optim import SGD

from callbacks import FittedLine, fitted_line
from datamodules import Diabetes, Digits, SplitOptions, Tabular, Thermometer
from models import Classifier, Regressor
from models.networks import Linear


def test_the_line_and_all_readings_are_drawn(quiet_trainer, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(fitted_line, "save_figure", lambda _, figure, name: drawn.append((figure, name)))
    L.seed_everything(0, verbose=False)
    data = Thermometer(split=SplitOptions(val_size=2, test_size=2), batch_size=7)
    network = Linear((1,), 1)
    task = Regressor(network, data.target_mean, data.target_std, optimizer=functools.partial(SGD, lr=0.3))
    quiet_trainer(max_epochs=60, callbacks=[FittedLine()]).fit(task, data)
    ((figure, name),) = drawn
    assert name == "fit"
    curve, *parts = figure.axes[0].lines
    assert sorted(x for part in parts for x in part.get_xdata()) == sorted(data.samples.inputs[:, 0].tolist())
    train = data.split.train
    slope, intercept = np.polyfit(data.samples.inputs[train, 0], data.samples.targets[train, 0], 1)
    assert curve.get_ydata() == pytest.approx(slope * np.array(curve.get_xdata()) + intercept, rel=1e-3, abs=1e-2)
    assert float(curve.get_label().split()[0]) == pytest.approx(slope, rel=1e-3)


def test_gaps_of_a_table_are_not_drawn_and_counted(quiet_trainer, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(fitted_line, "save_figure", lambda _, figure, name: drawn.append(figure))
    rows = "".join(f"{'' if k % 8 == 0 else k % 13},{2 * (k % 13) + 1 / (k + 2)}\n" for k in range(80))
    (tmp_path / "t.csv").write_text(f"x,h\n{rows}")
    data = Tabular(str(tmp_path / "t.csv"), "h")
    network = Linear(data.input_shape, 1)
    task = Regressor(network, data.target_mean, data.target_std)
    quiet_trainer(max_epochs=2, callbacks=[FittedLine()]).fit(task, data)
    curve, *parts = drawn[0].axes[0].lines
    assert np.isfinite(curve.get_ydata()).all()
    assert sum(len(part.get_xdata()) for part in parts) == 70
    assert drawn[0].axes[0].get_xlabel() == "x\n(10 samples without a value are not drawn)"
    assert drawn[0].axes[0].get_ylabel() == "h"


@pytest.mark.parametrize("data", [Diabetes(), Digits()], ids=["ten features", "classes"])
def test_other_data_is_refused_before_training(quiet_trainer, data):
    network = Linear(data.input_shape, data.num_outputs)
    task = (
        Classifier(network, data.num_classes)
        if data.class_names
        else Regressor(network, data.target_mean, data.target_std)
    )
    with pytest.raises(MisconfigurationException, match=f"FittedLine: {type(data).__name__}"):
        quiet_trainer(max_epochs=1, callbacks=[FittedLine()]).fit(task, data)
