"""The training step under a list of regularizers, the optimizer and its schedule: what every task shares."""

from abc import abstractmethod
from typing import Any, Literal

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from models.checkpointed import CheckpointedModule
from models.errors import TrainingError
from models.evaluated import Batch
from models.exact_resume import STATES_KEY, capture, keep_own_state, restore
from models.finders import refuse_finders
from models.init_args import RecordsInitArgs, record_init_args
from models.losses import ClassCountLoss, ClassificationLoss
from models.losses.classification_loss import check_scalar_loss
from models.losses.trial import Trial, try_loss
from models.losses.weighted import weights_of
from models.networks import Network
from models.objective import whole_batch_objective
from models.optimization import schedules
from models.optimization.factories import check_factory
from models.optimization.optimizers import OptimizerFactory, OptimizerWrapper, build_optimizer, wrap_optimizer
from models.optimization.run_length import accumulate_from, check_batches, run_length
from models.optimization.uncounted_step import check_passes, count_once
from models.preprocessing import Inputs
from models.regularizers import Regularizer, RegularizerChain, Step

SPLIT_KEY = "split"  # of a checkpoint: the manifest of the data's split
LENGTH_KEY = "schedule_length"


class Task(RecordsInitArgs, CheckpointedModule):
    """Trains any network with any loss under any list of regularizers; evaluates on clean targets and the plain loss.

    `train/` metrics are measured on the data's targets (wrong ones where `label_noise` is on) over the training batches
    as the network saw them; `val/` and `test/` metrics on the true targets. Weights of samples act on the loss alone.

    Args:
        network: Maps inputs (N, ...) to outputs.
        loss: Maps (outputs, targets) to a scalar to minimise.
        regularizers: Applied to each training batch, in order.
        optimizer: Makes the optimizer; `AdamW` with torch's defaults if not given.
        optimizer_wrapper: Wraps the optimizer, such as `SAM`.
        lr_scheduler: Makes the learning-rate schedule; a schedule that takes `total_steps` is told the run's length.
        lr_scheduler_interval: Advance the schedule by epoch or by step.
        lr_scheduler_monitor: The metric that ReduceLROnPlateau watches.
        decay_norms_and_biases: Let weight decay act on norms and biases too.
        layer_decay: Factor of the learning rate from each stage of the network to the one before it, in (0, 1]: the
            head has the optimizer's rate, the stage before it `layer_decay` times that.

    Raises:
        ValueError: An argument is out of range, or of a kind that cannot be trained with.
    """

    def __init__(
        self,
        network: Network | nn.Module,
        loss: ClassificationLoss | nn.Module,
        regularizers: list[Regularizer] | None = None,
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
        check_scalar_loss(loss)
        check_factory("optimizer", optimizer)
        check_factory("lr_scheduler", lr_scheduler)
        self.loss = loss
        if isinstance(regularizers, Regularizer):
            regularizers = self.init_args["regularizers"] = [regularizers]
        self.regularizers = RegularizerChain(regularizers or [])
        self.optimizer_factory = optimizer
        self.optimizer_wrapper = optimizer_wrapper
        self.lr_scheduler_factory = lr_scheduler
        self.lr_scheduler_interval = lr_scheduler_interval
        self.lr_scheduler_monitor = lr_scheduler_monitor
        self.decay_norms_and_biases = decay_norms_and_biases
        self.layer_decay = layer_decay
        self._resumed: dict[str, Any] = {}
        self._schedule_length: int | None = None
        self._loss_untried = False

    @abstractmethod
    def soft_targets(self, targets: Tensor) -> Tensor:
        """Return targets in the form that the regularizers and the loss work on."""

    @abstractmethod
    def compute_loss(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the loss of a training batch, without penalties; weights of its samples, (N,), if they have any."""

    @abstractmethod
    def check_loss(self, trial: Trial, outputs: Tensor) -> None:
        """Check that the loss fits what the network gives for a training batch, `outputs`.

        Raises:
            TrainingError: It does not.
        """

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the objective: the loss of the perturbed batch plus all penalties."""
        inputs, targets, steps = self.unpack(batch)

        def forward(inputs: Inputs) -> Tensor:
            outputs = self.compute_outputs(inputs, steps)
            return outputs.to(torch.promote_types(outputs.dtype, torch.float32))

        soft, weights = self.soft_targets(targets), weights_of(batch, steps)
        inputs, soft, *weights = self.regularizers.perturb(inputs, soft, *weights, of_steps=steps is not None)
        outputs = forward(inputs)
        if self._loss_untried:
            self._loss_untried = False
            try_loss(self, outputs, soft, weighted=bool(weights))
        soft = self.regularizers.revise(outputs, soft)
        penalties = self.regularizers.penalties(Step(inputs, soft, outputs, self.network, forward))
        objective = whole_batch_objective(self, self.compute_loss(outputs, soft, *weights), penalties, soft)
        self.record(objective, outputs, targets, penalties)
        return objective

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        """Step, then move the parameters back to where the regularizers allow them."""
        counted = count_once(optimizer_closure, self, self.regularizers)
        super().optimizer_step(epoch, batch_idx, optimizer, counted)
        self.regularizers.project(self.network)

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Advance the schedule; the learning rates keep the ratios that `layer_decay` gave them."""
        schedules.advance(scheduler)  # one that watches a metric is advanced in `on_train_epoch_end`

    def configure_callbacks(self) -> list[Callback]:
        """Refuse Lightning's finders, before anything is loaded; add no callback.

        Raises:
            TrainingError: There is one.
        """
        refuse_finders(self.trainer)
        return []

    def on_fit_start(self) -> None:
        """Check that there is something to train; the first step tries the loss.

        Raises:
            TrainingError: No batch is left to train on.
        """
        check_batches(self.trainer)
        if self.trainer.is_global_zero:
            self.regularizers.warn_unfinished_ramps(self.trainer.max_epochs)
        if isinstance(self.loss, ClassCountLoss):
            self.loss.count_classes(self.datamodule, self.device)
        self._loss_untried = True

    def on_train_start(self) -> None:
        """Begin, or resume from a checkpoint.

        Raises:
            TrainingError: The run is longer than a schedule that came with the checkpoint.
        """
        self.reset_training_metrics()
        then, now = self._resumed.get(LENGTH_KEY), self._schedule_length
        schedules.check_resumed(self.trainer, then, now, self.lr_scheduler_interval)
        accumulate_from(self.trainer, self.current_epoch)
        restore(self, self._resumed)
        self._resumed = {}
        self.regularizers.start_epoch(self.current_epoch)

    def on_train_epoch_start(self) -> None:
        """Tell the regularizers the epoch; a run resumed within an epoch does not come here."""
        self.regularizers.start_epoch(self.current_epoch)

    def on_train_epoch_end(self) -> None:
        """Log the epoch's training metrics; advance a schedule that watches a metric."""
        self.flush()
        measured = self.validated | self.log_metrics("train", self.train_metrics)
        self.validated = {}
        # Lightning would step it after the checkpoint is written, and a resumed run would lose that step.
        for config in self.trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, ReduceLROnPlateau) and self.lr_scheduler_monitor in measured:
                schedules.advance(config.scheduler, measured[self.lr_scheduler_monitor])

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Build the optimizer and the schedule.

        Raises:
            TrainingError: Nothing is trainable, or schedule and monitored metric do not go together.
        """
        try:
            options = self.decay_norms_and_biases, self.layer_decay
            optimizer = build_optimizer(self.optimizer_factory, self.network, *options)
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
        self._schedule_length = getattr(schedule, "total_steps", getattr(schedule, "run_length", None))
        return [optimizer], [config]  # type: ignore[return-value]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the split of the data, the state that an exact resume needs, and how to rebuild the task."""
        self.flush()
        manifest = getattr(self.datamodule, "manifest", None)
        if manifest is not None:
            checkpoint[SPLIT_KEY] = manifest
        checkpoint |= {**capture(self), LENGTH_KEY: self._schedule_length}
        record_init_args(self, checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a different split; keep the state for an exact resume; spare an evaluation the regularizers' state."""
        super().on_load_checkpoint(checkpoint)
        if SPLIT_KEY in checkpoint and hasattr(self.datamodule, "check_same_split"):
            self.datamodule.check_same_split(checkpoint[SPLIT_KEY])
        fn = None if self._trainer is None else self._trainer.state.fn
        resumes = fn == TrainerFn.FITTING
        self._resumed = {key: checkpoint[key] for key in (STATES_KEY, LENGTH_KEY) if resumes and key in checkpoint}
        if fn is not None and not resumes:
            keep_own_state(self, checkpoint)
