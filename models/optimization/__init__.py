"""Optimizers, learning-rate schedules, parameter groups and sharpness-aware minimisation."""

from models.optimization.muon import MuonWithAdamW
from models.optimization.sam import SAM
from models.optimization.schedules import WarmupCosine

__all__ = ["SAM", "MuonWithAdamW", "WarmupCosine"]
