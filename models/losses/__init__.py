"""Losses for classification, each taking labels or class probabilities."""

from models.losses.binary import BinaryCrossEntropy
from models.losses.class_counts import (
    BalancedCrossEntropy,
    ClassBalancedCrossEntropy,
    ClassCountLoss,
    LogitAdjustedCrossEntropy,
)
from models.losses.classification_loss import ClassificationLoss
from models.losses.focal import FocalLoss, PolyLoss
from models.losses.noise_robust import GeneralizedCrossEntropy, ProbabilityMAE, SymmetricCrossEntropy

__all__ = [
    "BalancedCrossEntropy",
    "BinaryCrossEntropy",
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
