"""Normalisation uses the statistics of the training part, and of nothing else."""

import json

import numpy as np
import pytest
import torch

from datamodules import DataError, Digits, normalization
from datamodules.normalization import channel_statistics


class Repainted(Digits):
    """Digits with the upper half of the pixels of one part set to 16."""

    def __init__(self, part):
        super().__init__()
        self.part = part

    def load(self):
        samples, reference = super().load(), ready(Digits())
        samples.inputs[reference.split.parts()[self.part], :, :4] = 16
        return samples


def ready(data):
    data.setup()
    return data


@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize("samples", [1, 100, 101])
def test_the_statistics_are_numpys(kind, samples, monkeypatch):
    monkeypatch.setattr(normalization, "CHUNK", 100 * 3 * 4 * 5)
    values = np.random.default_rng(0).integers(0, 256, (samples, 3, 4, 5)).astype(kind)
    values[:, 1] //= 7
    statistics = channel_statistics(torch.from_numpy(values), maximum=255)
    scaled = values.astype(np.float64) / 255
    assert statistics.mean == pytest.approx(scaled.mean((0, 2, 3)), rel=1e-9)
    assert statistics.std == pytest.approx(scaled.std((0, 2, 3)), rel=1e-9)


def test_the_statistics_of_digits_are_those_of_its_training_part():
    data = ready(Digits())
    pixels = data.samples.inputs.numpy()[data.split.train] / 16
    assert data.normalization.mean == pytest.approx([pixels.mean()], rel=1e-9)
    assert data.normalization.std == pytest.approx([pixels.std()], rel=1e-9)


@pytest.mark.parametrize("part", ["val", "test"])
def test_other_pixels_in_val_or_test_change_no_statistic(part):
    assert ready(Repainted(part)).normalization == ready(Digits()).normalization


def test_other_pixels_in_training_change_the_statistics():
    assert ready(Repainted("train")).normalization != ready(Digits()).normalization


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0, 1e-3])
def test_a_constant_channel_has_the_deviation_one(value):
    inputs = torch.rand(100, 2, 3, 3)
    inputs[:, 1] = value
    statistics = channel_statistics(inputs, maximum=1.0)
    assert statistics.std[1] == 1
    assert statistics.mean[1] == pytest.approx(value, abs=1e-6)


def test_stated_statistics_are_used():
    data = ready(Digits(mean=[0.25], std=[0.5]))
    assert data.preprocessing == {
        "maximum": 16.0,
        "mean": [0.25],
        "std": [0.5],
        "channel_axis": 1,
        "size": None,
        "rows": False,
        "columns": None,
    }
    assert data.manifest["normalization"] == {"mean": [0.25], "std": [0.5]}


def test_preprocessing_holds_plain_values_and_needs_no_setup_before():
    data = Digits()
    assert json.loads(json.dumps(data.preprocessing)) == data.preprocessing
    assert data.preprocessing["mean"] == data.normalization.mean


@pytest.mark.parametrize("options", [{"mean": [0.5]}, {"std": [0.5]}])
def test_mean_and_std_are_given_together_or_not_at_all(options):
    with pytest.raises(DataError, match="both or neither"):
        Digits(**options)


@pytest.mark.parametrize(("mean", "std"), [([0.5], [0.0]), ([0.5], [-1.0]), ([0.5], [float("nan")]), ([0.5], [1, 1])])
def test_unusable_statistics_are_refused(mean, std):
    with pytest.raises(DataError, match=r"mean .* and std"):
        Digits(mean=mean, std=std)


def test_statistics_for_another_number_of_channels_are_refused():
    with pytest.raises(DataError, match="mean"):
        ready(Digits(mean=[0.5, 0.4, 0.3], std=[0.2, 0.2, 0.2]))
