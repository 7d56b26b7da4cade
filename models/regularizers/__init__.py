"""Regularizers: methods that fight overfitting through the batch or the loss."""

from models.regularizers.base import Regularizer, Step
from models.regularizers.bootstrap import BootstrapLabels
from models.regularizers.chain import RegularizerChain
from models.regularizers.confidence_penalty import ConfidencePenalty
from models.regularizers.disturb_label import DisturbLabel
from models.regularizers.disturb_value import DisturbError, DisturbValue
from models.regularizers.input_noise import Cutout, InputNoise
from models.regularizers.jacobian_penalty import JacobianPenalty
from models.regularizers.label_smoothing import LabelSmoothing
from models.regularizers.max_norm import MaxNorm
from models.regularizers.mixing import CutMix, MixUp
from models.regularizers.online_label_smoothing import OnlineLabelSmoothing
from models.regularizers.orthogonality import Orthogonality
from models.regularizers.r_drop import RDrop
from models.regularizers.random_mix import RandomMix
from models.regularizers.scheduled import Scheduled
from models.regularizers.weight_penalties import L1, L2, ElasticNet

__all__ = [
    "L1",
    "L2",
    "BootstrapLabels",
    "ConfidencePenalty",
    "CutMix",
    "Cutout",
    "DisturbError",
    "DisturbLabel",
    "DisturbValue",
    "ElasticNet",
    "InputNoise",
    "JacobianPenalty",
    "LabelSmoothing",
    "MaxNorm",
    "MixUp",
    "OnlineLabelSmoothing",
    "Orthogonality",
    "RDrop",
    "RandomMix",
    "Regularizer",
    "RegularizerChain",
    "Scheduled",
    "Step",
]
