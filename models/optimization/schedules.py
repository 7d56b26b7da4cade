"""Learning-rate schedules: warm-up with cosine, and how long and on which metric any schedule runs."""

import inspect
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal

import lightning as L
from lightning.pytorch.utilities import rank_zero_warn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from datamodules.checks import check_fraction
from models.errors import TrainingError
from models.init_args import unwrap_factory
from models.optimization.factories import call_factory
from models.optimization.parameter_groups import keep_ratios

SchedulerFactory = Callable[[Optimizer], LRScheduler]


class WarmupCosine(LambdaLR):
    """Linear warm-up to the optimizer's learning rate, then a cosine down to a fraction of it.

    Args:
        optimizer: The optimizer.
        warmup_fraction: Fraction of the run that warms up, in [0, 1).
        final_factor: Learning rate at the end, as a fraction of the highest, in [0, 1].
        total_steps: Length of the run in steps (or epochs, if the schedule advances by epoch); the task sets it.

    Raises:
        ValueError: An argument is out of range or `total_steps` is unknown.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        warmup_fraction: float = 0.05,
        final_factor: float = 0.0,
        total_steps: int | None = None,
    ) -> None:
        check_fraction("WarmupCosine", below_one=True, warmup_fraction=warmup_fraction)
        check_fraction("WarmupCosine", final_factor=final_factor)
        if total_steps is None or total_steps < 1:
            raise ValueError("WarmupCosine: total_steps is unknown; set it or trainer.max_epochs")
        self.run_length = total_steps
        warmup = round(warmup_fraction * total_steps)

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / (warmup + 1)
            progress = min((step - warmup) / max(total_steps - warmup, 1), 1.0)
            return final_factor + (1 - final_factor) * (1 + math.cos(math.pi * progress)) / 2

        super().__init__(optimizer, factor)


def build_scheduler(factory: SchedulerFactory, optimizer: Optimizer, total_steps: int | float) -> LRScheduler:
    """Build a schedule; one that takes `total_steps` and was given none gets the length of the run.

    Args:
        factory: Makes the schedule from the optimizer.
        optimizer: The optimizer.
        total_steps: Length of the run in the schedule's own unit, steps or epochs; infinite if the run has no end.

    Raises:
        ValueError: The schedule refuses its arguments.
    """
    named = {"total_steps": int(total_steps)} if _needs_total_steps(factory) and math.isfinite(total_steps) else {}
    schedule: LRScheduler = call_factory("model.lr_scheduler", factory, optimizer, **named)
    if getattr(schedule, "step_size", 1) < 1:  # StepLR divides by it, at the end of the first epoch
        raise ValueError(f"model.lr_scheduler ({type(schedule).__name__}): step_size is less than 1")
    keep_ratios(optimizer)
    return schedule


def advance(schedule: LRScheduler, *measured: float) -> None:
    """Advance a schedule, and keep the ratio of its optimizer's rates.

    Args:
        schedule: The schedule.
        measured: The metric that it watches, if it watches one.
    """
    schedule.step(*measured)  # type: ignore[arg-type]
    keep_ratios(schedule.optimizer)


def watch(
    schedule: ReduceLROnPlateau, monitor: str, modes: Mapping[str, str | None], trainer: L.Trainer
) -> dict[str, Any]:
    """Return Lightning's settings for a schedule that the task advances itself, once it has measured a metric.

    Args:
        schedule: The schedule.
        monitor: Name of the metric.
        modes: "min" or "max" by the name of every logged metric; None for a metric that does not say.
        trainer: The trainer.

    Raises:
        ValueError: It does not exist, is never measured, or is better in the other direction.
    """
    if monitor not in modes:
        raise ValueError(f"lr_scheduler_monitor: there is no metric {monitor!r}; choose one of {', '.join(modes)}")
    if monitor.startswith("val/") and trainer.limit_val_batches == 0:
        raise ValueError(f"lr_scheduler_monitor: {monitor} is never measured (limit_val_batches is 0)")
    better = modes[monitor]
    if better is not None and schedule.mode != better:
        raise ValueError(f"ReduceLROnPlateau: {monitor} wants mode {better!r}, not {schedule.mode!r}")
    return {"monitor": monitor, "interval": "epoch", "frequency": sys.maxsize}


def check_resumed(trainer: L.Trainer, then: int | None, now: int | None, interval: Literal["epoch", "step"]) -> None:
    """Check that a run's schedule, if it came with a checkpoint, is long enough; warn if it has another length.

    Args:
        trainer: The trainer, its schedules restored.
        then: Length of the schedule in the checkpoint; None if it has none, or nothing is resumed.
        now: Length for which the schedule would be made now.
        interval: Unit of both.

    Raises:
        TrainingError: It is shorter than the run.
    """
    for config in trainer.lr_scheduler_configs:
        check_length(config.scheduler, now)
    warn_of_another_length(then, now, interval)


def check_length(schedule: LRScheduler, steps: int | None) -> None:
    """Check that a schedule restored from a checkpoint is long enough for this run.

    torch refuses too, but only after the schedule's last step.

    Args:
        schedule: The schedule.
        steps: Number of steps it was built for; None if it has no length.

    Raises:
        TrainingError: It is shorter.
    """
    restored = getattr(schedule, "total_steps", None)
    if steps is not None and restored is not None and restored < steps:
        raise TrainingError(
            f"{type(schedule).__name__} was made for {restored} steps and cannot be lengthened to {steps} on resume",
        )


def warn_of_another_length(then: int | None, now: int | None, interval: Literal["epoch", "step"]) -> None:
    """Warn if a schedule was made for a run of another length than the one that resumes."""
    if then is not None and now is not None and then != now:
        rank_zero_warn(
            f"the learning-rate schedule was made for {then} {interval}s and is now made for {now}: the resumed run "
            f"is not bit for bit an uninterrupted one of either length"
        )


def _needs_total_steps(factory: SchedulerFactory) -> bool:
    made, given = unwrap_factory(factory)
    parameters = inspect.signature(made).parameters
    return "total_steps" in parameters and given.get("total_steps") is None and given.get("epochs") is None
