"""The optimizer and the learning-rate schedule of a module that trains."""

from typing import Any, Literal

from lightning.pytorch.strategies import FSDPStrategy, ModelParallelStrategy
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from models.errors import TrainingError
from models.evaluated import EvaluatedModule
from models.optimization import schedules
from models.optimization.factories import check_factory
from models.optimization.optimizers import OptimizerFactory, OptimizerWrapper, build_optimizer, wrap_optimizer
from models.optimization.parameter_groups import HIDDEN
from models.optimization.run_length import run_length
from models.optimization.uncounted_step import check_passes


class OptimizedModule(EvaluatedModule):
    """An evaluated module whose network an optimizer trains, under a schedule of the learning rate.

    Args:
        network: Maps inputs (N, ...) to outputs.
        optimizer: Makes the optimizer; `AdamW` with torch's defaults if not given.
        optimizer_wrapper: Wraps the optimizer, such as `SAM`.
        lr_scheduler: Makes the learning-rate schedule; a schedule that takes `total_steps` is told the run's length.
        lr_scheduler_interval: Advance the schedule by epoch or by step.
        lr_scheduler_monitor: The metric that ReduceLROnPlateau watches.
        decay_norms_and_biases: Let weight decay act on norms and biases too.
        layer_decay: Factor of the learning rate from each stage of the network to the one before it, in (0, 1]: the
            head has the optimizer's rate, the stage before it `layer_decay` times that.

    Attributes:
        schedule_length: Steps or epochs that the schedule was made for; None if it has no length.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: OptimizerFactory | None = None,
        optimizer_wrapper: OptimizerWrapper | None = None,
        lr_scheduler: schedules.SchedulerFactory | None = None,
        lr_scheduler_interval: Literal["epoch", "step"] = "epoch",
        lr_scheduler_monitor: str = "val/loss",
        decay_norms_and_biases: bool = False,
        layer_decay: float = 1.0,
    ) -> None:
        super().__init__(network)
        if not 0 < layer_decay <= 1:
            raise ValueError(f"layer_decay: {layer_decay} is not in (0, 1]")
        check_factory("optimizer", optimizer)
        check_factory("lr_scheduler", lr_scheduler)
        self.optimizer_factory = optimizer
        self.optimizer_wrapper = optimizer_wrapper
        self.lr_scheduler_factory = lr_scheduler
        self.lr_scheduler_interval = lr_scheduler_interval
        self.lr_scheduler_monitor = lr_scheduler_monitor
        self.decay_norms_and_biases = decay_norms_and_biases
        self.layer_decay = layer_decay
        self.schedule_length: int | None = None

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Build the optimizer and the schedule.

        Raises:
            TrainingError: Nothing is trainable, or schedule and monitored metric do not go together.
        """
        try:
            options = self.decay_norms_and_biases, self.layer_decay
            optimizer = build_optimizer(self.optimizer_factory, self.network, *options)
            if HIDDEN in optimizer.defaults and isinstance(self.trainer.strategy, FSDPStrategy | ModelParallelStrategy):
                raise ValueError(
                    f"model.optimizer: {type(optimizer).__name__} needs whole weights, and FSDP divides them"
                )
            if self.optimizer_wrapper is not None:
                optimizer = wrap_optimizer(self.optimizer_wrapper, optimizer)
            check_passes(optimizer, self.trainer)
            if self.lr_scheduler_factory is None:
                return optimizer
            length = run_length(self.trainer, self.lr_scheduler_interval)
            schedule = schedules.build_scheduler(self.lr_scheduler_factory, optimizer, length)
            config: dict[str, Any] = {"scheduler": schedule, "interval": self.lr_scheduler_interval}
            if isinstance(schedule, ReduceLROnPlateau):
                monitor = self.lr_scheduler_monitor
                config |= schedules.watch(schedule, monitor, self.metric_modes(), self.trainer)
        except ValueError as error:
            raise TrainingError(str(error)) from error
        self.schedule_length = getattr(schedule, "total_steps", getattr(schedule, "run_length", None))
        return [optimizer], [config]  # type: ignore[return-value]

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Advance the schedule; the learning rates keep the ratios that `layer_decay` gave them."""
        schedules.advance(scheduler)  # one that watches a metric is advanced by `advance_watching`

    def advance_watching(self, measured: dict[str, float]) -> None:
        """Advance a schedule that watches a metric, at the end of an epoch.

        Lightning would do so after the checkpoint is written, and a resumed run would lose that step.

        Args:
            measured: The epoch's metrics by name.
        """
        for config in self.trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, ReduceLROnPlateau) and self.lr_scheduler_monitor in measured:
                schedules.advance(config.scheduler, measured[self.lr_scheduler_monitor])
