"""The training step under a list of regularizers, and the run around it: what every task shares."""

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torchmetrics import Metric

from models.checkpointed import CheckpointedModule
from models.divergence import check_weights, first_fault, seen_at_once
from models.evaluated import Batch, LabelledSteps
from models.exact_resume import (
    RESUME_KEYS,
    capture,
    keep_own_state,
    restore,
    restore_logged_metrics,
    resume_whole_epochs,
)
from models.finders import refuse_finders
from models.init_args import RecordsInitArgs, record_init_args
from models.last_operation import OutputRange
from models.losses import ClassCountLoss, ClassificationLoss
from models.losses.classification_loss import check_scalar_loss
from models.losses.trial import Trial, try_loss
from models.losses.weighted import weights_of
from models.metrics.own import MetricFactory, Prepare, make_metrics
from models.network_outputs import network_outputs, uncompiled
from models.networks import Network
from models.objective import whole_batch_objective
from models.optimization import schedules
from models.optimization.run_length import accumulate_from, check_batches
from models.optimization.uncounted_step import count_once
from models.optimized import OptimizedModule
from models.preprocessing import Inputs
from models.regularizers import Regularizer, RegularizerChain, Step

SPLIT_KEY = "split"  # of a checkpoint: the manifest of the data's split
LENGTH_KEY = "schedule_length"


class Task(RecordsInitArgs, CheckpointedModule, OptimizedModule):
    """Trains any network with any loss under any list of regularizers; evaluates on clean targets and the plain loss.

    `train/` metrics are measured on the data's targets (wrong ones where `label_noise` is on) over the training batches
    as the network saw them; `val/` and `test/` metrics on the true targets. Weights of samples act on the loss
    alone: metrics, penalties of regularizers and batch norm count every sample once, one of weight 0 too.

    Args:
        network: Maps inputs (N, ...) to outputs.
        loss: Maps (outputs, targets) to a scalar to minimise.
        regularizers: Applied to each training batch, in order.
        metrics: Metrics to measure on validation and test beside the task's: of torchmetrics, such as
            `torchmetrics.classification.MulticlassMatthewsCorrCoef`, or your own. Each is called after its class,
            `val/multiclass_matthews_corr_coef`; `num_classes`, `num_labels` or `num_outputs` is filled in. A
            `Classifier` gives them class probabilities (N, C), float32, and labels (N,); a `MultiLabelClassifier`
            probabilities (N, L) and labels (N, L), 0 or 1; a `Regressor` predictions and targets in the unit of the
            targets, float64, (N, outputs), or (N,) if there is one.
        kwargs: Arguments of `OptimizedModule`: optimizer, lr_scheduler and so on.

    Attributes:
        may_change_on_resume: Arguments that a resumed run may change.
        fitting_losses: What to use in place of a loss that does not fit, for messages.

    Raises:
        ValueError: An argument is out of range, or of a kind that cannot be trained with.
    """

    may_change_on_resume: ClassVar[tuple[str, ...]] = ("metrics",)

    def __init__(
        self,
        network: Network | nn.Module,
        loss: ClassificationLoss | nn.Module,
        regularizers: list[Regularizer] | None = None,
        metrics: list[MetricFactory] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(network, **kwargs)
        check_scalar_loss(loss)
        self.loss = loss
        if isinstance(regularizers, Regularizer):
            regularizers = self.init_args["regularizers"] = [regularizers]
        self.regularizers = RegularizerChain(regularizers or [])
        self._metric_factories = [metrics] if isinstance(metrics, Metric | type) else list(metrics or [])
        self._resumed: dict[str, Any] = {}
        self._loss_untried = False
        self.fitting_losses = "another loss"

    def add_own_metrics(self, prepare: Prepare, **sizes: int) -> None:
        """Add the metrics of the argument `metrics` to those of validation and test.

        Args:
            prepare: Returns what they are given of predictions and targets.
            sizes: The size of the task by the name of the argument that takes it, such as `num_classes`.

        Raises:
            ValueError: One of them cannot be made.
        """
        made = make_metrics(self._metric_factories, prepare, self.test_metrics.keys(), **sizes)
        self._metric_factories = []  # metrics keep what they have seen
        self.val_metrics.add_metrics(dict(made))
        self.test_metrics.add_metrics({name: metric.clone() for name, metric in made.items()})

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

    def check_range(self, found: OutputRange, outputs: Tensor, targets: Tensor) -> None:
        """Check that the range of the network's last operation suits the task; any does by default.

        Args:
            found: The range.
            outputs: The network's outputs for a training batch.
            targets: The loss's targets for it.

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
            try_loss(self, self._traceable(inputs, steps, outputs), soft, weighted=bool(weights))
        soft = self.regularizers.revise(outputs, soft)
        penalties = self.regularizers.penalties(Step(inputs, soft, outputs, self.network, forward))
        objective = whole_batch_objective(self, self.compute_loss(outputs, soft, *weights), penalties, soft)
        where = first_fault(self.network, inputs) if seen_at_once(self, objective) else ""
        self.training_record.add(self, objective, outputs, targets, penalties, where)
        return objective

    def _traceable(self, inputs: Inputs, steps: LabelledSteps | None, outputs: Tensor) -> Tensor:
        """Return a batch's outputs with the network's own operations behind them, which torch.compile hides."""
        plain = uncompiled(self.network)
        if plain is self.network:
            return outputs
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            found = network_outputs(plain, inputs)
        return (found if steps is None else found[steps]).to(outputs.dtype)

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        """Step, then move the parameters back to where the regularizers allow them."""
        counted = count_once(optimizer_closure, self, self.regularizers)
        super().optimizer_step(epoch, batch_idx, optimizer, counted)
        self.regularizers.project(self.network)

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
        self.training_record.clear()
        self.train_metrics.reset()
        self.validated = {}
        then, now = self._resumed.get(LENGTH_KEY), self.schedule_length
        schedules.check_resumed(self.trainer, then, now, self.lr_scheduler_interval)
        accumulate_from(self.trainer, self.current_epoch)
        restore(self, self._resumed)
        restore_logged_metrics(self.trainer, self._resumed)
        self._resumed = {}
        self.regularizers.start_epoch(self.current_epoch)

    def on_train_epoch_start(self) -> None:
        """Tell the regularizers the epoch; a run resumed within an epoch does not come here."""
        self.regularizers.start_epoch(self.current_epoch)

    def on_train_epoch_end(self) -> None:
        """Log the epoch's training metrics; advance a schedule that watches a metric."""
        self.training_record.flush(self)
        measured = self.validated | self.log_metrics("train", self.train_metrics)
        self.validated = {}
        self.advance_watching(measured)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the split of the data, the state that an exact resume needs, and how to rebuild the task."""
        self.training_record.check(self)
        check_weights(self, checkpoint["state_dict"])
        manifest = getattr(self.datamodule, "manifest", None)
        if manifest is not None:
            checkpoint[SPLIT_KEY] = manifest
        checkpoint |= {**capture(self), LENGTH_KEY: self.schedule_length, **self.calibration_record()}
        record_init_args(self, checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a different split; keep the state for an exact resume; spare an evaluation the regularizers' state."""
        super().on_load_checkpoint(checkpoint)
        if self._trainer is not None and self.trainer.precision == "64-true":
            self.double()  # Lightning would load the weights first, and lose what float32 does not hold
        if SPLIT_KEY in checkpoint and hasattr(self.datamodule, "check_same_split"):
            self.datamodule.check_same_split(checkpoint[SPLIT_KEY])
        fn = None if self._trainer is None else self._trainer.state.fn
        resumes = fn == TrainerFn.FITTING
        if resumes:
            resume_whole_epochs(self.trainer)
        self._resumed = {key: checkpoint[key] for key in (*RESUME_KEYS, LENGTH_KEY) if resumes and key in checkpoint}
        if fn is not None and not resumes:
            keep_own_state(self, checkpoint)
