"""Regularizers: what fights overfitting through the batch or the loss."""

from models.regularizers.base import Regularizer
from models.regularizers.chain import RegularizerChain
from models.regularizers.disturb import DisturbLabel
from models.regularizers.label_smoothing import LabelSmoothing
from models.regularizers.losses import BalancedCrossEntropy, ClassCountLoss

__all__ = [
    "BalancedCrossEntropy",
    "ClassCountLoss",
    "DisturbLabel",
    "LabelSmoothing",
    "Regularizer",
    "RegularizerChain",
]
