"""Callbacks: stop, keep checkpoints, average weights, measure, draw and report."""

from callbacks.adaptive_clipping import AdaptiveGradientClipping
from callbacks.checkpoint_io import AtomicCheckpointIO, CheckpointError, load_checkpoint
from callbacks.checkpoints import Checkpoint
from callbacks.confusion_matrix import ConfusionMatrix
from callbacks.curves import Curves
from callbacks.early_stopping import EarlyStopping
from callbacks.event_log import EventLog
from callbacks.feature_cache import FeatureCache
from callbacks.first_batch import FirstBatch
from callbacks.first_filters import FirstFilters
from callbacks.fitted_line import FittedLine
from callbacks.freeze_layers import FreezeLayers
from callbacks.generalization_gap import GeneralizationGap
from callbacks.gradient_norms import GradientNorms
from callbacks.gradual_unfreezing import GradualUnfreezing
from callbacks.history import History
from callbacks.interruption import StopOnSignal
from callbacks.last_checkpoint import LastCheckpoint
from callbacks.learning_rate import LearningRate
from callbacks.memorization import Memorization
from callbacks.misclassified import MisclassifiedGallery
from callbacks.progress import EpochLines, Header
from callbacks.progress_bar import TerminalProgressBar
from callbacks.progressive_resizing import ProgressiveResizing
from callbacks.regression_figures import PredictedAgainstTrue
from callbacks.reliability import ReliabilityDiagram
from callbacks.save_split import SaveSplit
from callbacks.silent_failures import SilentFailures
from callbacks.stock_metrics import StockMetrics
from callbacks.summary import Summary
from callbacks.validation_outputs import ValidationOutputs
from callbacks.weight_averaging import EMA, SWA
from callbacks.what_decided import WhatDecided

__all__ = [
    "EMA",
    "SWA",
    "AdaptiveGradientClipping",
    "AtomicCheckpointIO",
    "Checkpoint",
    "CheckpointError",
    "ConfusionMatrix",
    "Curves",
    "EarlyStopping",
    "EpochLines",
    "EventLog",
    "FeatureCache",
    "FirstBatch",
    "FirstFilters",
    "FittedLine",
    "FreezeLayers",
    "GeneralizationGap",
    "GradientNorms",
    "GradualUnfreezing",
    "Header",
    "History",
    "LastCheckpoint",
    "LearningRate",
    "Memorization",
    "MisclassifiedGallery",
    "PredictedAgainstTrue",
    "ProgressiveResizing",
    "ReliabilityDiagram",
    "SaveSplit",
    "SilentFailures",
    "StockMetrics",
    "StopOnSignal",
    "Summary",
    "TerminalProgressBar",
    "ValidationOutputs",
    "WhatDecided",
    "load_checkpoint",
]
