"""A network and its metrics: the outputs for a batch, and one evaluation step for validation and test."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import lightning as L
import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection

from datamodules.samples import TargetKind, labelled_steps
from models.errors import TrainingError
from models.metrics.names import Mode as Mode
from models.metrics.names import by_name, check_monitored, mode
from models.network_outputs import check_raw, network_outputs
from models.networks.network import Network
from models.preprocessing import Inputs, Preprocessing
from models.target_kinds import check_target_kind
from models.training_record import TrainingRecord

Batch = tuple[Any, ...]  # inputs, scaled but not normalised, targets, and weights of the samples if they have any
LabelledSteps = tuple[Tensor, ...]  # sample and step of each label
UNCHANGED = Preprocessing()


class EvaluatedModule(L.LightningModule, ABC):
    """A network with the metrics that measure it; it knows nothing of training losses and regularizers.

    Where the targets belong to steps of sequences, each step that has one counts as a sample.

    A subclass sets `train_metrics`, `val_metrics` and `test_metrics`, which compare predictions with data's targets.
    A metric with several values is logged under the name of each class. One that is NaN is not logged: the accuracy of
    a class that no sample has, say, or AUROC where all samples are of one class.

    Args:
        network: Maps inputs (N, ...) to outputs.

    Attributes:
        preprocessing: What `forward` does to raw inputs; taken from the datamodule when training starts.
        training_record: The results of the latest training steps, which the training metrics do not hold yet.
        validated: The metrics of the last validation in the current epoch, by name.
    """

    loss_name: ClassVar[str]  # of the metric `loss`
    takes: ClassVar[TargetKind]

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.preprocessing = Preprocessing()
        self.train_metrics: MetricCollection
        self.val_metrics: MetricCollection
        self.test_metrics: MetricCollection
        self.validated: dict[str, float] = {}
        self.num_outputs: int | None = None  # of the network; None takes any number
        self.training_record = TrainingRecord()

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; the name of the running hook, which changes thirty times a step, without torch's checks."""
        if name == "_current_fx_name":
            vars(self)[name] = value
        else:
            super().__setattr__(name, value)

    @property
    def datamodule(self) -> Any:
        """The datamodule of the trainer, None without one."""
        return getattr(self._trainer, "datamodule", None)

    def setup(self, stage: str) -> None:
        """Take the preprocessing from the data: before training always, before an evaluation if there is none yet.

        Before training, let a network adapt that does so; a checkpoint to go on from is loaded after this.

        Raises:
            TrainingError: The data has targets of another kind, or no training samples for a network that adapts.
        """
        check_target_kind(type(self).__name__, self.takes, getattr(self.datamodule, "targets", None))
        if self._trainer is not None:
            # In half precision Lightning would round raw inputs and targets; `unpack` rounds normalised inputs.
            self._trainer.precision_plugin.convert_input = _unchanged  # type: ignore[assignment,method-assign]
        self._take_preprocessing(always=stage == "fit")
        network, data = self.network, self.datamodule
        if stage != "fit" or not isinstance(network, Network) or not network.adapts_to:
            return
        if not hasattr(data, "training_samples"):
            raise TrainingError(f"{type(network).__name__} adapts to training inputs: train it on a DataModule")
        inputs, *_ = self.unpack(data.training_samples(network.adapts_to))
        network.adapt(inputs)

    def _take_preprocessing(self, *, always: bool) -> None:
        settings = getattr(self.datamodule, "preprocessing", None)
        if settings is None or not (always or self.preprocessing.settings() == UNCHANGED.settings()):
            return
        if getattr(self.network, "normalizes_inputs", False):
            settings = settings | {"mean": None, "std": None}
        self.preprocessing = Preprocessing(**settings).to(self.device)

    def metric_modes(self) -> dict[str, Mode | None]:
        """Return the name of every metric that training logs: "max" if higher is better, "min" if lower is.

        None stands for a metric that does not say.
        """
        logged = [("train", self.train_metrics), ("val", self.val_metrics)]
        return {f"{stage}/{name}": mode(metric) for stage, metrics in logged for name, metric in metrics.items()}

    def forward(self, raw: Inputs) -> Tensor:
        """Return predictions for raw inputs, such as images of bytes or the numbers of a table.

        Raises:
            TypeError: The inputs are not a tensor.
            TrainingError: The network does not take them.
        """
        check_raw(type(self).__name__, raw)
        inputs = self.preprocessing(raw, self.network_dtype)
        return self.to_predictions(network_outputs(self.network, inputs))

    @property
    def network_dtype(self) -> torch.dtype | None:
        """Precision of the network's weights, None if it has none."""
        return next((weight.dtype for weight in self.network.parameters() if weight.is_floating_point()), None)

    def to_predictions(self, outputs: Tensor) -> Tensor:
        """Return the network's outputs in the form that the metrics compare with targets."""
        return outputs

    def to_results(self, predictions: Tensor) -> Tensor:
        """Return what `predict` writes of predictions, such as probabilities of logits."""
        return predictions

    def result_columns(self, results: Tensor, names: Sequence[str], most: int | None = None) -> dict[str, list[Any]]:
        """Return results as the columns of a table with one row per sample, N values each, numbers as numbers.

        Args:
            results: From `to_results`, (N, ...).
            names: Names of classes or labels, or of continuous targets.
            most: Largest number of classes that a row names; None gives each a column.
        """
        return dict(self.prediction_columns(results, None, names))

    @abstractmethod
    def outputs_mismatch(self, outputs: Tensor, of_steps: bool) -> str:
        """Return a message on outputs whose shape does not fit the targets."""

    @abstractmethod
    def prediction_columns(
        self, outputs: Tensor, targets: Tensor | None, class_names: Sequence[str]
    ) -> dict[str, list[str]]:
        """Return the columns of a table with one row per sample, from the results of `predict_step`.

        Args:
            outputs: The results of all batches, (N, ...).
            targets: (N, ...), or None where they are unknown.
            class_names: C names; empty where targets are continuous.
        """

    def unpack(self, batch: Batch) -> tuple[Inputs, Tensor, LabelledSteps | None]:
        """Return normalised inputs, targets, and None; of targets of steps those that exist, (M, ...), and where."""
        inputs, targets, *_ = batch
        check_target_kind(type(self).__name__, self.takes, targets)
        prepare = UNCHANGED if getattr(self.network, "inputs_are_features", False) else self.preprocessing
        inputs = prepare.normalize(inputs, self.network_dtype)
        labelled = labelled_steps(targets)
        if labelled is None:
            return inputs, targets, None
        steps = labelled.nonzero(as_tuple=True)
        return inputs, targets[steps], steps

    def compute_outputs(self, inputs: Inputs, steps: LabelledSteps | None) -> Tensor:
        """Return the network's outputs, (N, ...), or those of the labelled steps, (M, ...).

        Raises:
            TrainingError: The network does not take the inputs, or its outputs do not fit the targets.
        """
        outputs = network_outputs(self.network, inputs)
        if outputs.ndim != (2 if steps is None else 3) or self.num_outputs not in (None, outputs.shape[-1]):
            raise TrainingError(self.outputs_mismatch(outputs, steps is not None))
        return outputs if steps is None else outputs[steps]

    def evaluate(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return predictions and targets of a batch, as the metrics compare them; nothing is recorded."""
        inputs, targets, steps = self.unpack(batch)
        return self.to_predictions(self.compute_outputs(inputs, steps)), targets

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Measure a validation batch; return its predictions."""
        predictions, targets = self.evaluate(batch)
        self.val_metrics.update(predictions, targets)
        return predictions

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Measure a test batch; return its predictions."""
        predictions, targets = self.evaluate(batch)
        self.test_metrics.update(predictions, targets)
        return predictions

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the results of a batch, (N, ...), or of its labelled steps, (M, ...)."""
        predictions, _ = self.evaluate(batch)
        return self.to_results(predictions)

    def on_validation_start(self) -> None:
        """Stop the run before a checkpoint is written if the loss is NaN or infinite."""
        self.training_record.flush(self)

    def on_validation_epoch_end(self) -> None:
        """Log the validation metrics."""
        self.validated = self.log_metrics("val", self.val_metrics)

    def on_test_epoch_end(self) -> None:
        """Log the test metrics."""
        self.log_metrics("test", self.test_metrics)

    def log_metrics(self, stage: str, metrics: MetricCollection) -> dict[str, float]:
        """Log the metrics of a stage and reset them; return them by name.

        Raises:
            TrainingError: The loss is NaN or infinite, or a metric is undefined that a callback watches.
        """
        computed = metrics.compute()
        metrics.reset()
        if not bool(computed["loss"].isfinite()):
            loss = computed["loss"].item()
            raise TrainingError(f"{stage}/loss is {loss}: the network's outputs are NaN or infinite")
        check_monitored(stage, computed, self.trainer)
        values = by_name(stage, computed, getattr(self.datamodule, "class_names", None))
        for name, value in values.items():
            # The values are already reduced over the devices; sync_dist repeats that on equal numbers.
            in_bar = stage == "val" and name.removeprefix("val/") in self.train_metrics
            self.log(name, value.to(self.device), prog_bar=in_bar, sync_dist=True)
        return {name: value.item() for name, value in values.items()}


def _unchanged(batch: Any) -> Any:
    return batch
