"""Callbacks: stop, keep checkpoints, average weights, measure, draw and report."""

from callbacks.adaptive_clipping import AdaptiveGradientClipping
from callbacks.checkpoint_io import AtomicCheckpointIO, CheckpointError, load_checkpoint
from callbacks.checkpoints import Checkpoint
from callbacks.curves import Curves
from callbacks.early_stopping import EarlyStopping
from callbacks.event_log import EventLog
from callbacks.feature_cache import FeatureCache
from callbacks.fitted_line import FittedLine
from callbacks.generalization_gap import GeneralizationGap
from callbacks.gradual_unfreezing import GradualUnfreezing
from callbacks.history import History
from callbacks.interruption import StopOnSignal
from callbacks.last_checkpoint import LastCheckpoint
from callbacks.memorization import Memorization
from callbacks.misclassified import MisclassifiedGallery
from callbacks.progress import EpochLines, Header
from callbacks.progress_bar import TerminalProgressBar
from callbacks.save_split import SaveSplit
from callbacks.silent_failures import SilentFailures
from callbacks.summary import Summary
from callbacks.weight_averaging import EMA, SWA

__all__ = [
    "EMA",
    "SWA",
    "AdaptiveGradientClipping",
    "AtomicCheckpointIO",
    "Checkpoint",
    "CheckpointError",
    "Curves",
    "EarlyStopping",
    "EpochLines",
    "EventLog",
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
    "SilentFailures",
    "StopOnSignal",
    "Summary",
    "TerminalProgressBar",
    "load_checkpoint",
]
