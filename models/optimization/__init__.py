"""Optimizers, learning-rate schedules, parameter groups and sharpness-aware minimisation."""
