"""Regularizers: what fights overfitting through the batch or the loss."""

from models.regularizers.base import Regularizer
from models.regularizers.chain import RegularizerChain
from models.regularizers.confidence_penalty import ConfidencePenalty
from models.regularizers.disturb import DisturbLabel
from models.regularizers.jacobian_penalty import JacobianPenalty
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
from models.regularizers.max_norm import MaxNorm
from models.regularizers.norm_penalties import L1, L2, ElasticNet
from models.regularizers.orthogonality import Orthogonality
from models.regularizers.r_drop import RDrop

__all__ = [
    "L1",
    "L2",
    "BalancedCrossEntropy",
    "ClassBalancedCrossEntropy",
    "ClassCountLoss",
    "ClassificationLoss",
    "ConfidencePenalty",
    "DisturbLabel",
    "ElasticNet",
    "FocalLoss",
    "GeneralizedCrossEntropy",
    "JacobianPenalty",
    "LabelSmoothing",
    "LogitAdjustedCrossEntropy",
    "MaxNorm",
    "Orthogonality",
    "PolyLoss",
    "ProbabilityMAE",
    "RDrop",
    "Regularizer",
    "RegularizerChain",
    "SymmetricCrossEntropy",
]
