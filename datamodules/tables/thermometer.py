"""Tutorial 001's eleven readings of a thermometer whose unit is unknown, beside the degrees Celsius."""

import torch

from datamodules.in_memory import InMemoryDataModule
from datamodules.samples import Samples

CELSIUS = (0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0)
READINGS = (35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4)


class Thermometer(InMemoryDataModule):
    """Eleven readings (1,) in an unknown unit, and the temperature in °C (Stevens et al., Deep Learning with PyTorch).

    The arguments are `InMemoryDataModule`'s; sizes of the parts suit eleven samples if given as counts.
    """

    class_names = ()
    input_shape = (1,)
    maximum = 1.0

    def load(self) -> Samples:  # noqa: D102
        return Samples(torch.tensor(READINGS).view(-1, 1), torch.tensor(CELSIUS).view(-1, 1))
