"""Regularizers: what fights overfitting through the batch or the loss."""

from models.regularizers.base import Regularizer
from models.regularizers.chain import RegularizerChain
from models.regularizers.disturb import DisturbLabel
from models.regularizers.label_smoothing import LabelSmoothing
from models.regularizers.losses import (
    BalancedCrossEntropy,
    ClassBalancedCrossEntropy,
    ClassCountLoss,
    ClassificationLoss,
    FocalLoss,
    GeneralizedCrossEntropy,
    LogitAdjustedCrossEntropy,
    PolyLoss,
    ProbabilityMAE,
    SymmetricCrossEntropy,
)

__all__ = [
    "BalancedCrossEntropy",
    "ClassBalancedCrossEntropy",
    "ClassCountLoss",
    "ClassificationLoss",
    "DisturbLabel",
    "FocalLoss",
    "GeneralizedCrossEntropy",
    "LabelSmoothing",
    "LogitAdjustedCrossEntropy",
    "PolyLoss",
    "ProbabilityMAE",
    "Regularizer",
    "RegularizerChain",
    "SymmetricCrossEntropy",
]
