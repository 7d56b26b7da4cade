"""Training parts that cannot be learnt from, and values that do not fit the maximum that a datamodule states."""

import warnings

import pytest
import torch

from datamodules import DataError, DataModule, Diabetes, Digits, Samples, SplitOptions
from datamodules.sequences.synthetic_sequences import AddingProblem


class Own(DataModule):
    class_names = ("a", "b")

    def __init__(self, inputs, maximum=255.0, **options):
        super().__init__(**options)
        self.inputs, self.maximum, self.input_shape = inputs, maximum, tuple(inputs.shape[1:])

    def load(self):
        return Samples(self.inputs, torch.arange(len(self.inputs)) % 2)


def images(scale, dtype=torch.float32):
    return (torch.rand(60, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * scale).to(dtype)


@pytest.mark.parametrize(
    ("inputs", "maximum", "message"),
    [
        (images(1.0), 255.0, r"go from .* to 0\.9.*, which does not fit maximum 255.*states maximum = 1$"),
        (images(255.0), 1.0, r"does not fit maximum 1:.*states maximum = 255$"),
        (images(255.9, torch.uint8), 1.0, r"does not fit maximum 1:.*states maximum = 255$"),
        (images(60_000.0), 255.0, r"states maximum = 65535$"),
        (images(1.99, torch.uint8), 255.0, r"from 0 to 1, which does not fit maximum 255"),
        (images(2.0) - 1, 1.0, r"from -.* does not fit maximum 1.*load raw values, unnormalised"),
    ],
)
def test_images_that_do_not_fit_the_stated_maximum_are_warned_of_in_one_line(inputs, maximum, message):
    for stated in ({}, {"mean": [0.5], "std": [0.5]}):
        with pytest.warns(UserWarning, match=message) as caught:
            Own(inputs, maximum, **stated).setup()
        assert len([warning for warning in caught if "maximum" in str(warning.message)]) == 1
        assert "\n" not in str(caught[0].message)


@pytest.mark.parametrize(
    "data",
    [lambda: Own(images(255.0)), lambda: Own(images(1.0), 1.0), lambda: Own(images(60.0, torch.uint8)), Digits,
     Diabetes, lambda: AddingProblem(60)],
)  # fmt: skip
def test_what_fits_is_not_warned_of(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data().setup()


@pytest.mark.parametrize("shape", [(1, 4, 4), (3,), (5, 2)])
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_equal_training_samples_are_refused(shape, value):
    with pytest.raises(DataError, match=rf"Own: all \d+ training samples are equal \(all values are {value:g}\)"):
        Own(torch.full((60, *shape), value), 1.0).setup()
    pattern = torch.rand(1, *shape).expand(60, *shape)
    with pytest.raises(DataError, match="equal \\(no two differ\\)"):
        Own(pattern, 1.0).setup()


def test_one_sample_that_differs_among_thousands_is_enough():
    inputs = torch.zeros(4000, 3)
    data = Own(inputs, 1.0, split=SplitOptions(val_size=100, test_size=100))
    with pytest.raises(DataError, match="equal"):
        data.setup()
    for index in range(4000):  # whichever are trained on, and looked at first
        inputs[index, 0] = 0.5 if index % 7 == 3 else 0
    data.setup()
    assert data.split is not None
