"""Optimizers and learning-rate schedules, as a task builds them from what YAML or a notebook names.

Weight decay is coupled, part of the gradient as an L2 penalty is, in torch's SGD, Adam, RMSprop and most others; where
the optimizer rescales gradients, weights with large gradients decay less. It is decoupled, a shrinking of the weights
by lr · weight_decay a step beside the gradient, in AdamW, Adafactor and Muon, and in Adam, NAdam and RAdam with
`decoupled_weight_decay` (Loshchilov and Hutter, arXiv 1711.05101). The same figure means different strengths.
"""

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

import lightning as L
from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingWarmRestarts,
    CyclicLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
)

from models.errors import TrainingError
from models.optimization.parameter_groups import parameter_groups, share_rates

OptimizerFactory = Callable[[Iterable[Any]], Optimizer]
OptimizerWrapper = Callable[[Optimizer], Optimizer]
SchedulerFactory = Callable[[Optimizer], LRScheduler]
# Schedules that set the learning rate from its initial value, whatever another has made of it since.
ABSOLUTE_SCHEDULES = (CosineAnnealingWarmRestarts, CyclicLR, LambdaLR, OneCycleLR, SequentialLR)


class WarmupCosine(LambdaLR):
    """Linear warm-up to the optimizer's learning rate, then a cosine down to a share of it.

    Args:
        optimizer: The optimizer.
        warmup_fraction: Share of the run that warms up, in [0, 1).
        final_factor: Learning rate at the end, as a share of the highest, in [0, 1].
        total_steps: Length of the run in steps (or epochs, where the schedule advances by epoch); the task knows it.

    Raises:
        ValueError: An argument is out of range or `total_steps` unknown.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        warmup_fraction: float = 0.05,
        final_factor: float = 0.0,
        total_steps: int | None = None,
    ) -> None:
        if not (0 <= warmup_fraction < 1 and 0 <= final_factor <= 1):
            raise ValueError(f"WarmupCosine: {warmup_fraction=} must be in [0, 1), {final_factor=} in [0, 1]")
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


def build_optimizer(
    factory: OptimizerFactory | None, network: nn.Module, decay_norms_and_biases: bool, layer_decay: float = 1.0
) -> Optimizer:
    """Build an optimizer over a network's trainable parameters.

    Args:
        factory: Makes the optimizer from parameters or parameter groups; None is `AdamW` with its defaults.
        network: The network; frozen parameters are left out.
        decay_norms_and_biases: Let weight decay act on norms and biases too, as in `parameter_groups`.
        layer_decay: Factor of the learning rate from each stage of the network to the one before it, likewise.

    Raises:
        ValueError: Every parameter is frozen, or the optimizer takes no groups where there must be some.
    """
    factory = AdamW if factory is None else factory
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not trainable:
        raise ValueError("the network has no trainable parameter")
    optimizer: Optimizer = _made("model.optimizer", factory, trainable)
    groups = parameter_groups(network, optimizer.defaults, decay_norms_and_biases, layer_decay)
    if layer_decay == 1 and not any("weight_decay" in group for group in groups):
        return optimizer
    grouped: Optimizer = _made("model.optimizer", factory, groups)
    return grouped


def wrap_optimizer(wrapper: OptimizerWrapper, optimizer: Optimizer) -> Optimizer:
    """Build an optimizer around another.

    Args:
        wrapper: Makes it from the other.
        optimizer: The other.

    Raises:
        ValueError: What is made of it is no optimizer, or it is refused.
    """
    try:
        wrapped: Optimizer = _made("model.optimizer_wrapper", wrapper, optimizer)
    except TypeError as error:
        raise ValueError(
            f"model.optimizer_wrapper: {_unwrap(wrapper)[0].__name__} wraps no optimizer ({error})"
        ) from error
    return wrapped


def build_scheduler(factory: SchedulerFactory, optimizer: Optimizer, total_steps: int | float) -> LRScheduler:
    """Build a schedule; one that takes `total_steps` and was given none gets the length of the run.

    Args:
        factory: Makes the schedule from the optimizer.
        optimizer: The optimizer.
        total_steps: Length of the run in what the schedule counts: steps or epochs; infinite if nothing limits it.
    """
    named = {"total_steps": int(total_steps)} if _wants_total_steps(factory) and math.isfinite(total_steps) else {}
    schedule: LRScheduler = _made("model.lr_scheduler", factory, optimizer, **named)
    if getattr(schedule, "step_size", 1) < 1:  # StepLR divides by it, at the end of the first epoch
        raise ValueError(f"model.lr_scheduler ({type(schedule).__name__}): step_size is less than 1")
    share_rates(schedule, optimizer)
    return schedule


def run_length(trainer: L.Trainer, interval: Literal["epoch", "step"]) -> float:
    """Return how many epochs, or optimizer steps, a run has; infinite if nothing limits it.

    `trainer.estimated_stepping_batches` says the same, but sets the training data up, after which Lightning no longer
    restores the loader's place: a run resumed inside an epoch would see its first batches again.
    """
    epochs = trainer.max_epochs if trainer.max_epochs is not None and trainer.max_epochs >= 0 else math.inf
    if interval == "epoch":
        return epochs
    if trainer.datamodule is None:  # type: ignore[attr-defined]
        return trainer.estimated_stepping_batches
    batches, limit = len(trainer.datamodule.train_dataloader()), trainer.limit_train_batches  # type: ignore[attr-defined]
    batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
    steps = math.ceil(batches / trainer.accumulate_grad_batches)
    return min(steps * epochs, trainer.max_steps) if trainer.max_steps >= 0 else steps * epochs


def build_warmup(optimizer: Optimizer, steps: int, schedule: LRScheduler | None) -> LRScheduler:
    """Build a linear warm-up over the first steps that composes with a schedule.

    Args:
        optimizer: The optimizer.
        steps: Number of steps that warm up, 1 or more.
        schedule: The schedule that runs beside it.

    Raises:
        ValueError: `schedule` sets absolute learning rates, which would undo the warm-up.
    """
    if isinstance(schedule, ABSOLUTE_SCHEDULES):
        name = type(schedule).__name__
        raise ValueError(f"warmup_steps does not compose with {name}, which sets the learning rate itself")
    return LinearLR(optimizer, start_factor=1 / (steps + 1), total_iters=steps)


def check_plateau(
    schedule: ReduceLROnPlateau, monitor: str, modes: Mapping[str, str | None], trainer: L.Trainer
) -> None:
    """Check that a schedule which watches a figure has one to watch, and the right way round.

    Args:
        schedule: The schedule.
        monitor: Name of the figure.
        modes: Name of every metric that is logged, and whether it is better at its "min" or "max", if it says.
        trainer: The trainer.

    Raises:
        ValueError: There is no such figure, it is never measured, or the schedule's mode is the wrong one for it.
    """
    if monitor not in modes:
        raise ValueError(f"lr_scheduler_monitor: there is no metric {monitor!r}; choose one of {', '.join(modes)}")
    if monitor.startswith("val/") and trainer.limit_val_batches == 0:
        raise ValueError(f"lr_scheduler_monitor: {monitor} is never measured (limit_val_batches is 0)")
    better = modes[monitor]
    if better is not None and schedule.mode != better:
        raise ValueError(f"ReduceLROnPlateau: {monitor} wants mode {better!r}, not {schedule.mode!r}")


def check_length(schedule: LRScheduler, steps: int | None, epoch: int) -> None:
    """Check that a schedule, restored from a checkpoint, is as long as it was built for this run.

    torch refuses too, but only once the schedule's last step is behind it.

    Args:
        schedule: The schedule.
        steps: How many steps it was built for; None if that is nothing to it.
        epoch: Number of epochs that were trained before.

    Raises:
        TrainingError: It is shorter.
    """
    restored = getattr(schedule, "total_steps", None)
    if steps is not None and restored is not None and restored < steps:
        raise TrainingError(
            f"{type(schedule).__name__} was made for {restored} steps and cannot be lengthened to {steps} on resume",
        )


def _made(argument: str, factory: Callable[..., Any], *values: Any, **named: Any) -> Any:
    try:
        return factory(*values, **named)
    except ValueError as error:
        raise ValueError(f"{argument} ({_unwrap(factory)[0].__name__}): {error}") from error


def _wants_total_steps(factory: SchedulerFactory) -> bool:
    made, given = _unwrap(factory)
    parameters = inspect.signature(made).parameters
    return "total_steps" in parameters and given.get("total_steps") is None and given.get("epochs") is None


def _unwrap(factory: Callable[..., Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return what a factory calls and with which keywords, through partials and jsonargparse's own wrapping."""
    given: dict[str, Any] = {}
    while isinstance(factory, functools.partial):
        given = factory.keywords | given
        classes: Iterator[type] = (argument for argument in factory.args if isinstance(argument, type))
        factory = next(classes, factory.func)
    return factory, given
