"""What every task shares: the training step under a list of regularizers, the optimizer and its schedule."""

import sys
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from models.errors import TrainingError
from models.evaluated import Batch, EvaluatedModule
from models.losses import ClassificationLoss
from models.networks import Network
from models.networks.input_transform import check_normalization
from models.optimization.optimizers import OptimizerWrapper, build_optimizer, wrap_optimizer
from models.optimization.sam import SAM
from models.optimization.schedules import build_scheduler, check_plateau, run_length
from models.optimization.uncounted_step import check_sam, uncounted_pass
from models.regularizers import Regularizer, RegularizerChain, Step

NEVER_STEP = sys.maxsize
REGULARIZER_STATE = "regularizers."  # where a state_dict holds what regularizers remember


class Task(EvaluatedModule):
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
        decay_norms_and_biases: Let weight decay act on norms and biases too.
        layer_decay: Factor of the learning rate from each stage of the network to the one before it, in (0, 1]: the
            head has the optimizer's, its last stage `layer_decay` times that.

    Raises:
        ValueError: An argument is out of range, or of a kind that cannot be trained with.
    """

    def __init__(
        self,
        network: Network | nn.Module,
        loss: ClassificationLoss | nn.Module,
        regularizers: list[Regularizer] | None = None,
        optimizer: OptimizerCallable | None = None,
        optimizer_wrapper: OptimizerWrapper | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
        lr_scheduler_interval: Literal["epoch", "step"] = "epoch",
        lr_scheduler_monitor: str = "val/loss",
        decay_norms_and_biases: bool = False,
        layer_decay: float = 1.0,
    ) -> None:
        super().__init__(network)
        if not 0 < layer_decay <= 1:
            raise ValueError(f"layer_decay: {layer_decay} is not in (0, 1]")
        if getattr(loss, "reduction", None) == "none":
            raise ValueError("loss: reduction 'none' leaves one number a sample; it must be 'mean' or 'sum'")
        self.loss = loss
        self.regularizers = RegularizerChain(regularizers or [])
        self.optimizer_factory = optimizer
        self.optimizer_wrapper = optimizer_wrapper
        self.lr_scheduler_factory = lr_scheduler
        self.lr_scheduler_interval = lr_scheduler_interval
        self.lr_scheduler_monitor = lr_scheduler_monitor
        self.decay_norms_and_biases = decay_norms_and_biases
        self.layer_decay = layer_decay

    @abstractmethod
    def soft_targets(self, targets: Tensor) -> Tensor:
        """Return targets in the form that the regularizers and the loss work on."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return what is minimised: the loss of the perturbed batch plus all penalties."""
        inputs, targets, steps = self.unpack(batch)

        def forward(given: Any) -> Tensor:
            outputs = self.outputs(given, steps)
            return outputs.to(torch.promote_types(outputs.dtype, torch.float32))

        self.regularizers.check_batch(inputs, of_steps=steps is not None)
        inputs, chained = self.regularizers.perturb(inputs, self.soft_targets(targets))
        outputs = forward(inputs)
        chained = self.regularizers.revise(outputs, chained)
        penalties = self.regularizers.penalties(Step(inputs, chained, outputs, self.network, forward))
        objective = sum(penalties, self.compute_loss(outputs, chained))
        self.record(objective, outputs, targets)
        return objective

    def compute_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of a training batch, without penalties."""
        loss: Tensor = self.loss(outputs, targets.to(outputs.dtype) if targets.is_floating_point() else targets)
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the epoch's training figures; advance a schedule that watches a figure."""
        self.flush()
        measured = self._validated | self._log_metrics("train", self.train_metrics)
        self._validated = {}
        # Lightning would step it after the checkpoint is written, and a resumed run would lose that step.
        for config in self.trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, ReduceLROnPlateau) and self.lr_scheduler_monitor in measured:
                config.scheduler.step(measured[self.lr_scheduler_monitor])

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
            if isinstance(optimizer, SAM):
                check_sam(self.trainer)
                optimizer.second_pass = self._uncounted
        configs: list[dict[str, Any]] = []
        schedule = None
        if self.lr_scheduler_factory is not None:
            length = run_length(self.trainer, self.lr_scheduler_interval)
            schedule = build_scheduler(self.lr_scheduler_factory, optimizer, length)
            self._schedule_length = getattr(schedule, "total_steps", getattr(schedule, "run_length", None))
            configs.append({"scheduler": schedule, "interval": self.lr_scheduler_interval})
        if isinstance(schedule, ReduceLROnPlateau):
            check_plateau(schedule, self.lr_scheduler_monitor, self.metric_modes(), self.trainer)
            configs[0] |= {"monitor": self.lr_scheduler_monitor, "interval": "epoch", "frequency": NEVER_STEP}
        return [optimizer], configs  # type: ignore[return-value]

    @contextmanager
    def _uncounted(self) -> Iterator[None]:
        self.recording = False
        try:
            with uncounted_pass(self.network, self.regularizers):
                yield
        finally:
            self.recording = True

    def on_fit_start(self) -> None:
        """Refuse a run that would end without a step, which Lightning calls a success; warn of one that misreads."""
        if self.trainer.limit_train_batches == 0:
            raise TrainingError("trainer.limit_train_batches: 0 leaves no batch to train on")
        if self.trainer.is_global_zero:
            self.regularizers.warn_unfinished_ramps(self.trainer.max_epochs)
            check_normalization(self.network, self._datamodule())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let evaluation take weights without what regularizers remember, which matters to training alone."""
        super().on_load_checkpoint(checkpoint)
        if self._trainer is not None and self._trainer.state.fn != TrainerFn.FITTING:
            own = {name: value for name, value in self.state_dict().items() if name.startswith(REGULARIZER_STATE)}
            held = checkpoint["state_dict"].items()
            checkpoint["state_dict"] = {
                name: value for name, value in held if not name.startswith(REGULARIZER_STATE)
            } | own

    def on_train_start(self) -> None:
        """Begin, or go on, with the regularizers in the state of the epoch."""
        super().on_train_start()
        self.regularizers.start_epoch(self.current_epoch)

    def on_train_epoch_start(self) -> None:
        """Tell the regularizers the epoch; a run that goes on inside one does not come here."""
        self.regularizers.start_epoch(self.current_epoch)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then move the parameters back to where the regularizers allow them."""
        super().optimizer_step(*args, **kwargs)
        self.regularizers.project(self.network)
