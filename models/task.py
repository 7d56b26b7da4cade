"""What every task shares: the regularizer chain, optimizer and schedule, one evaluation step, exact resume."""

import sys
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics import MetricCollection

from models.errors import TrainingError, require_finite, require_finite_figure
from models.exact_resume import ExactResume
from models.networks.preprocessing import check_normalization
from models.optimizers import (
    OptimizerWrapper,
    build_optimizer,
    build_scheduler,
    build_warmup,
    check_plateau,
    run_length,
    wrap_optimizer,
)
from models.regularizers import Regularizer, RegularizerChain
from models.second_pass import prepare_second_pass

Batch = tuple[Any, Tensor]  # inputs as the network takes them: a tensor, or sequences with their lengths
Steps = tuple[Tensor, ...]
NEVER = sys.maxsize
FLUSH_EVERY = 50  # batches kept before metrics are updated in one go: per-step updates cost more than a small network


class Task(ExactResume):
    """Trains any network with any loss under any list of regularizers; evaluates on clean targets and the plain loss.

    A subclass says what its metrics are and how targets enter the regularizer chain. `train/` figures are measured on
    the data's targets (wrong ones where `label_noise` is on) over the training batches as the network saw them; `val/`
    and `test/` figures on the true ones.

    Args:
        network: Maps inputs (N, ...) to outputs.
        loss: Maps (outputs, targets) to a scalar; what is minimised.
        regularizers: Applied to each training batch in order.
        optimizer: Makes the optimizer; `AdamW` with torch's defaults if not given.
        optimizer_wrapper: Makes another one of it, such as `SAM`.
        lr_scheduler: Makes the learning-rate schedule; a schedule that takes `total_steps` is told the run's length.
        lr_scheduler_interval: Advance the schedule by epoch or by step.
        lr_scheduler_monitor: What ReduceLROnPlateau watches.
        warmup_steps: Steps of linear warm-up before, or under, the schedule.
        decay_norms_and_biases: Let weight decay act on norms and biases too.
        layer_decay: Factor of the learning rate from each stage of the network to the one before it, in (0, 1]: the
            head has the optimizer's, its last stage `layer_decay` times that.

    Raises:
        ValueError: An argument is out of range, or of a kind that cannot be trained with.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        regularizers: list[Regularizer] | None = None,
        optimizer: OptimizerCallable | None = None,
        optimizer_wrapper: OptimizerWrapper | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
        lr_scheduler_interval: Literal["epoch", "step"] = "epoch",
        lr_scheduler_monitor: str = "val/loss",
        warmup_steps: int = 0,
        decay_norms_and_biases: bool = False,
        layer_decay: float = 1.0,
    ) -> None:
        super().__init__()
        if warmup_steps < 0:
            raise ValueError(f"warmup_steps: {warmup_steps} is less than 0")
        if not 0 < layer_decay <= 1:
            raise ValueError(f"layer_decay: {layer_decay} is not in (0, 1]")
        if getattr(loss, "reduction", None) == "none":
            raise ValueError("loss: reduction 'none' leaves one number a sample; it must be 'mean' or 'sum'")
        self.network = network
        self.loss = loss
        self.regularizers = RegularizerChain(regularizers or [])
        self.optimizer_factory = optimizer
        self.optimizer_wrapper = optimizer_wrapper
        self.lr_scheduler_factory = lr_scheduler
        self.lr_scheduler_interval = lr_scheduler_interval
        self.lr_scheduler_monitor = lr_scheduler_monitor
        self.warmup_steps = warmup_steps
        self.decay_norms_and_biases = decay_norms_and_biases
        self.layer_decay = layer_decay
        self.train_metrics: MetricCollection
        self.val_metrics: MetricCollection
        self.test_metrics: MetricCollection
        self._pending: list[tuple[int, Tensor, Tensor, Tensor]] = []
        self.recording = True  # not in a batch's second pass

    loss_name: ClassVar[str]  # what the figure `loss` measures

    @abstractmethod
    def chain_targets(self, targets: Tensor) -> Tensor:
        """Return targets in the form that the regularizers and the loss work on."""

    def figures(self) -> dict[str, bool]:
        """Return the name of every figure that training logs, and whether higher is better."""
        train = {f"train/{name}": bool(metric.higher_is_better) for name, metric in self.train_metrics.items()}
        return train | {f"val/{name}": bool(metric.higher_is_better) for name, metric in self.val_metrics.items()}

    def forward(self, inputs: Any) -> Tensor:
        """Return the network's outputs as `predictions` has them."""
        outputs: Tensor = self.network(inputs)
        return self.predictions(outputs)

    def predictions(self, outputs: Tensor) -> Tensor:
        """Return the network's outputs in the form that the metrics compare with targets."""
        return outputs

    @abstractmethod
    def prediction_columns(
        self, outputs: Tensor, targets: Tensor | None, class_names: Sequence[str]
    ) -> dict[str, list[str]]:
        """Return columns of a table, one row a sample, out of what `predict_step` returned.

        Args:
            outputs: All of it, (N, ...).
            targets: (N, ...), None where unknown.
            class_names: C names; none where targets are continuous.
        """

    def unpack(self, batch: Batch) -> tuple[Any, Tensor, Steps | None]:
        """Return inputs, the targets that count, and the places of those; None where all do."""
        return *batch, None

    def outputs(self, inputs: Any, steps: Steps | None) -> Tensor:
        """Return the network's outputs for the targets that count, whose places `unpack` returned.

        Raises:
            TrainingError: The network does not take sequences of different lengths, and these are.
        """
        try:
            outputs: Tensor = self.network(inputs)
        except (AttributeError, TypeError) as error:
            if isinstance(inputs, Tensor):
                raise
            name = type(self.network).__name__
            raise TrainingError(f"{name} takes no sequences of different lengths; Recurrent does ({error})") from error
        return outputs

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return what is minimised: the loss of the perturbed batch plus all penalties."""
        inputs, targets, steps = self.unpack(batch)

        def forward(given: Any) -> Tensor:
            outputs = self.outputs(given, steps)
            return outputs.to(torch.promote_types(outputs.dtype, torch.float32))

        inputs, chained = self.regularizers.perturb(inputs, self.chain_targets(targets))
        outputs = forward(inputs)
        chained = self.regularizers.revise(outputs, chained)
        penalties = self.regularizers.penalties(forward, inputs, outputs, chained, self.network)
        objective = sum(penalties, self.compute_loss(outputs, chained))
        if self.recording:
            self._pending.append((self.global_step + 1, objective.detach(), outputs.detach(), targets))
        if len(self._pending) == FLUSH_EVERY:
            self.flush()
        return objective

    def compute_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of a training batch, without penalties."""
        loss: Tensor = self.loss(outputs, targets.to(outputs.dtype) if targets.is_floating_point() else targets)
        return loss

    def flush(self) -> None:
        """Bring the metrics up to date, log the mean objective, and stop a run whose loss is no number."""
        if not self._pending:
            return
        steps, objectives, outputs, targets = zip(*self._pending, strict=True)
        self._pending.clear()
        # Over all devices, so that a number that is none on one of them stops them all: one alone would be waited for.
        objective = self.trainer.strategy.reduce(torch.stack(objectives).float(), reduce_op="mean")
        require_finite(objective, steps, self.current_epoch)
        self.train_metrics.update(self.predictions(torch.cat(outputs)), torch.cat(targets))
        if self.logger is not None:
            self.logger.log_metrics({"train/objective": objective.mean().item()}, step=self.global_step)

    def on_train_epoch_end(self) -> None:
        """Log the epoch's training figures; advance a schedule that watches a figure."""
        self.flush()
        measured = self._validated | self._log_figures("train", self.train_metrics)
        self._validated = {}
        # Lightning would step it after the checkpoint is written, and a resumed run would lose that step.
        for config in self.trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, ReduceLROnPlateau) and self.lr_scheduler_monitor in measured:
                config.scheduler.step(measured[self.lr_scheduler_monitor])

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure one validation batch."""
        self._evaluate(batch, self.val_metrics)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Measure one test batch; return its predictions."""
        predictions, _ = self._evaluate(batch, self.test_metrics)
        return predictions

    def _evaluate(self, batch: Batch, metrics: MetricCollection) -> tuple[Tensor, Tensor]:
        inputs, targets, steps = self.unpack(batch)
        predictions = self.predictions(self.outputs(inputs, steps))
        metrics.update(predictions, targets)
        return predictions, targets

    def on_validation_start(self) -> None:
        """Make sure that no checkpoint is written after this validation if the loss is no number."""
        self.flush()

    def on_validation_epoch_end(self) -> None:
        """Log the validation figures."""
        self._validated = self._log_figures("val", self.val_metrics)

    def on_test_epoch_end(self) -> None:
        """Log the test figures."""
        self._log_figures("test", self.test_metrics)

    def _log_figures(self, stage: str, metrics: MetricCollection) -> dict[str, float]:
        figures = {f"{stage}/{name}": value for name, value in metrics.compute().items()}
        metrics.reset()
        require_finite_figure(f"{stage}/loss", figures[f"{stage}/loss"], self.current_epoch)
        for name, value in figures.items():
            # The values are already reduced over the devices; sync_dist repeats that on equal numbers.
            self.log(
                name,
                value.to(self.device),
                prog_bar=stage == "val" and name.removeprefix("val/") in self.train_metrics,
                sync_dist=True,
            )
        return {name: value.item() for name, value in figures.items()}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Build the optimizer and the schedules.

        Raises:
            TrainingError: Nothing is trainable, or schedule, warm-up and monitored figure do not go together.
        """
        try:
            return self._optimizer_and_schedules()
        except ValueError as error:
            raise TrainingError(str(error)) from error

    def _optimizer_and_schedules(self) -> OptimizerLRScheduler:
        options = (self.decay_norms_and_biases, self.layer_decay)
        optimizer = build_optimizer(self.optimizer_factory, self.network, *options)
        if self.optimizer_wrapper is not None:
            optimizer = wrap_optimizer(self.optimizer_wrapper, optimizer)
            prepare_second_pass(optimizer, self)
        configs: list[dict[str, Any]] = []
        schedule = None
        if self.lr_scheduler_factory is not None:
            length = run_length(self.trainer, self.lr_scheduler_interval)
            schedule = build_scheduler(self.lr_scheduler_factory, optimizer, length)
            self._schedule_length = getattr(schedule, "total_steps", getattr(schedule, "run_length", None))
            configs.append({"scheduler": schedule, "interval": self.lr_scheduler_interval})
        if isinstance(schedule, ReduceLROnPlateau):
            check_plateau(schedule, self.lr_scheduler_monitor, self.figures(), self.trainer)
            configs[0] |= {"monitor": self.lr_scheduler_monitor, "interval": "epoch", "frequency": NEVER}
        if self.warmup_steps:
            configs.append({"scheduler": build_warmup(optimizer, self.warmup_steps, schedule), "interval": "step"})
        return [optimizer], configs  # type: ignore[return-value]

    def on_fit_start(self) -> None:
        """Refuse a run that would end without a step, which Lightning calls a success; warn of one that misreads."""
        if self.trainer.limit_train_batches == 0:
            raise TrainingError("trainer.limit_train_batches: 0 leaves no batch to train on")
        if self.trainer.is_global_zero:
            check_normalization(self.network, self._datamodule())

    def on_train_start(self) -> None:
        """Begin, or go on, with nothing left of what Lightning's sanity check or an earlier fit measured."""
        self._pending.clear()
        super().on_train_start()
        self.regularizers.start_epoch(self.current_epoch)

    def on_train_epoch_start(self) -> None:
        """Tell the regularizers the epoch; a run that goes on inside one does not come here."""
        self.regularizers.start_epoch(self.current_epoch)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then move the parameters back to where the regularizers allow them."""
        super().optimizer_step(*args, **kwargs)
        self.regularizers.project(self.network)
