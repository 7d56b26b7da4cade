"""Losses for classification, each taking labels or class probabilities."""

from models.regularizers.losses.base import ClassificationLoss
from models.regularizers.losses.class_counts import (
    BalancedCrossEntropy,
    ClassBalancedCrossEntropy,
    ClassCountLoss,
    LogitAdjustedCrossEntropy,
)
from models.regularizers.losses.focal import FocalLoss, PolyLoss
from models.regularizers.losses.noise_robust import GeneralizedCrossEntropy, ProbabilityMAE, SymmetricCrossEntropy

__all__ = [
    "BalancedCrossEntropy",
    "ClassBalancedCrossEntropy",
    "ClassCountLoss",
    "ClassificationLoss",
    "FocalLoss",
    "GeneralizedCrossEntropy",
    "LogitAdjustedCrossEntropy",
    "PolyLoss",
    "ProbabilityMAE",
    "SymmetricCrossEntropy",
]
