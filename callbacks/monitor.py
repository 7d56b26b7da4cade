"""Monitored metrics: whether they exist, when they are measured, and which direction is better."""

import re

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint

from callbacks.lookup import callbacks_of
from callbacks.probe import Probe
from models.evaluated import Mode
from models.optimization.run_length import steps_to_validation


def metric_mode(module: L.LightningModule, name: str) -> Mode | None:
    """Return "max" if higher values of a metric are better, "min" if lower ones are, None if that is unknown.

    Args:
        module: Says so in `metric_modes()`. For a module without that method only a loss is known, as in Lightning.
        name: Name of the metric with its part, such as "val/accuracy".
    """
    modes = getattr(module, "metric_modes", None)
    if callable(modes):
        mode: Mode | None = modes().get(name)
        return mode
    return "min" if re.split("[/_]", name)[-1] == "loss" else None


def resolve_mode(option: str, monitor: str, stated: Mode | None, module: L.LightningModule) -> Mode:
    """Return the stated mode, or else the one that the metric has.

    Raises:
        MisconfigurationException: There is neither.
    """
    mode = stated or metric_mode(module, monitor)
    if mode is None:
        raise MisconfigurationException(f"{option}.mode: set min or max for {monitor!r}")
    return mode


def check_monitor(option: str, monitor: str, trainer: L.Trainer, module: L.LightningModule) -> None:
    """Check before training that a monitored metric will be measured.

    Raises:
        MisconfigurationException: `module` logs no such metric (the message lists those that it logs), or not in every
            epoch.
    """
    modes = getattr(module, "metric_modes", None)
    if callable(modes) and monitor not in modes():
        names = ", ".join(sorted(modes()))
        probes = [callback for callback in callbacks_of(trainer) if isinstance(callback, Probe)]
        if any(monitor.startswith(probe.prefix) for probe in probes):
            raise MisconfigurationException(
                f"{option}.monitor: {monitor} is measured too late in an epoch, and perhaps not in all; choose from "
                f"{names}"
            )
        raise MisconfigurationException(f"{option}.monitor: no metric is called {monitor!r}; choose from {names}")
    if monitor.startswith("val/") and trainer.limit_val_batches == 0:
        raise MisconfigurationException(f"{option}.monitor: {monitor} is never measured (limit_val_batches is 0)")
    every = trainer.check_val_every_n_epoch
    if monitor.startswith("val/") and every is not None and 0 <= (trainer.max_epochs or -1) < every:
        raise MisconfigurationException(
            f"{option}.monitor: {monitor} is never measured: trainer.check_val_every_n_epoch {every} is more than "
            f"trainer.max_epochs {trainer.max_epochs}"
        )
    if monitor.startswith("val/") and not trainer.fast_dev_run:  # type: ignore[attr-defined]
        steps = steps_to_validation(trainer)
        if 0 <= trainer.max_steps < steps:
            raise MisconfigurationException(
                f"{option}.monitor: {monitor} is never measured: trainer.max_steps {trainer.max_steps} ends the run "
                f"before the first validation, after {steps} steps; raise it, or lower trainer.val_check_interval"
            )


def check_lightnings_monitors(trainer: L.Trainer, module: L.LightningModule) -> None:
    """Check that Lightning's own callbacks watch a metric that is measured, unless a user's callback may log it.

    Raises:
        MisconfigurationException: One does not.
    """
    known = getattr(module, "metric_modes", None)
    rooms = {type(callback).__module__.split(".")[0] for callback in callbacks_of(trainer)}
    if not callable(known) or rooms - {"lightning", "callbacks", "models", "scripts"}:
        return
    logged = [callback.prefix for callback in callbacks_of(trainer) if isinstance(callback, Probe)]
    logged += ["lr-" for callback in callbacks_of(trainer) if isinstance(callback, LearningRateMonitor)]
    for callback in callbacks_of(trainer):
        monitor, name = getattr(callback, "monitor", None), type(callback).__name__
        theirs = isinstance(callback, EarlyStopping | ModelCheckpoint) and type(callback).__module__.startswith("light")
        if not theirs or not isinstance(monitor, str) or monitor in (*known(), "epoch", "step"):
            continue
        if not monitor.startswith(tuple(logged)):
            raise MisconfigurationException(
                f"trainer.callbacks: {name}: no metric is called {monitor!r}; choose from {', '.join(sorted(known()))}"
            )


def at_epoch_end(monitor: str) -> bool | None:
    """Return True for a metric that is measured when an epoch ends, None for Lightning's choice: after validation.

    A validation within an epoch would find the training metrics of the epoch before, or none.
    """
    return True if monitor.startswith("train/") else None
