"""Tutorial 001's thermometer: eleven readings in an unknown unit, and the temperature in degrees Celsius."""

import torch
from typing_extensions import override

from datamodules.base import DataModule
from datamodules.samples import Samples

CELSIUS = (0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0)
READINGS = (35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4)


class Thermometer(DataModule):
    """Eleven readings (1,) in an unknown unit, and the temperature in °C (Stevens et al., Deep Learning with PyTorch).

    The arguments are `DataModule`'s; give sizes of the parts as counts.
    """

    class_names = ()
    input_shape = (1,)
    maximum = 1.0

    @override
    def load(self) -> Samples:
        return Samples(torch.tensor(READINGS).view(-1, 1), torch.tensor(CELSIUS, dtype=torch.float64).view(-1, 1))

    @override
    def feature_names(self) -> list[str]:
        return ["reading (unknown unit)"]

    @override
    def target_names(self) -> list[str]:
        return ["temperature (°C)"]
