"""Regularizers: what fights overfitting through the batch or the loss."""

from models.regularizers.base import Regularizer
from models.regularizers.bootstrap import BootstrapLabels
from models.regularizers.chain import RegularizerChain
from models.regularizers.disturb import DisturbLabel
from models.regularizers.disturb_value import DisturbError, DisturbValue
from models.regularizers.input_noise import Cutout, InputNoise
from models.regularizers.label_smoothing import LabelSmoothing
from models.regularizers.losses import BalancedCrossEntropy, ClassCountLoss
from models.regularizers.mixing import CutMix, MixUp, RandomMix
from models.regularizers.scheduled import Scheduled

__all__ = [
    "BalancedCrossEntropy",
    "BootstrapLabels",
    "ClassCountLoss",
    "CutMix",
    "Cutout",
    "DisturbError",
    "DisturbLabel",
    "DisturbValue",
    "InputNoise",
    "LabelSmoothing",
    "MixUp",
    "RandomMix",
    "Regularizer",
    "RegularizerChain",
    "Scheduled",
]
