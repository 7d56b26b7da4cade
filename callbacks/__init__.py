"""Callbacks: when to stop, what to keep, what to draw and report."""

from callbacks.checkpoint_io import AtomicCheckpointIO, CheckpointError, load_checkpoint
from callbacks.curves import Curves
from callbacks.feature_cache import FeatureCache
from callbacks.fitted_line import FittedLine
from callbacks.generalization_gap import GeneralizationGap
from callbacks.gradual_unfreezing import GradualUnfreezing
from callbacks.history import History
from callbacks.manifest import SaveSplit
from callbacks.memorization import Memorization
from callbacks.misclassified import MisclassifiedGallery
from callbacks.presets import Checkpoint, EarlyStopping, LastCheckpoint
from callbacks.progress import EpochLines, Header
from callbacks.summary import Summary

__all__ = [
    "AtomicCheckpointIO",
    "Checkpoint",
    "CheckpointError",
    "Curves",
    "EarlyStopping",
    "EpochLines",
    "FeatureCache",
    "FittedLine",
    "GeneralizationGap",
    "GradualUnfreezing",
    "Header",
    "History",
    "LastCheckpoint",
    "Memorization",
    "MisclassifiedGallery",
    "SaveSplit",
    "Summary",
    "load_checkpoint",
]
