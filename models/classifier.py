"""Classification of samples, or of the steps of sequences, into one of C classes."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection
from typing_extensions import override

from datamodules.samples import UNLABELLED
from models.calibration import Conformal
from models.calibration.conformal import class_probabilities, class_scores
from models.errors import TrainingError
from models.last_operation import OutputRange, check_class_range
from models.losses import ClassificationLoss
from models.losses.directions import check_class_loss, output_kind, warn_of_coupled_samples
from models.losses.trial import Trial
from models.losses.weighted import weighted_loss
from models.metrics.classification import evaluation_metrics, test_metrics, training_metrics
from models.metrics.conformal import ConformalCoverage, EmptySets, MeanSetSize
from models.metrics.own import with_class_probabilities
from models.networks import Network
from models.objective import loss_divisor
from models.result_columns import Columns, class_columns
from models.task import Task


class Classifier(Task):
    """Trains a network to classify; the metrics are cross entropy, accuracy, macro F1 and calibration error.

    A test adds the Brier score, the calibration error of equally full bins, and the area under the risk-coverage curve.
    `holdout calibrate` gives a checkpoint a temperature, by which predictions divide the logits, and prediction sets.

    `train/loss`, `val/loss` and `test/loss` are the plain cross entropy against the data's labels, whatever loss and
    regularizers are trained with, so that any two runs can be compared; `train/objective` is the minimised value. Under
    `label_noise` some of the training labels are wrong, but no validation or test label.

    Of two classes AUROC and average precision are measured too: the second class, `class_names[1]` of the data, is the
    positive one ("yes" of no and yes, whose names are in alphabetical order).

    Where labels belong to steps of sequences, (N, T), each labelled step counts as a sample; -100 marks a step without
    a label, which regularizers, loss and metrics do not see.

    Args:
        network: Maps inputs (N, ...) to logits (N, num_classes), or (N, T, num_classes).
        num_classes: Number of classes, C.
        loss: Maps logits and targets (labels (N,), or probabilities (N, C) with regularizers) to a scalar to minimise;
            cross entropy if not given. It must be lowest where the network is right: losses of log-probabilities, such
            as `torch.nn.NLLLoss`, need a network that ends in `torch.nn.LogSoftmax`.
        kwargs: Arguments of `Task`: regularizers, optimizer, lr_scheduler and so on.

    Raises:
        ValueError: There are no classes, the loss leaves samples out, or `Task` refuses an argument.
    """

    loss_name = "cross entropy"
    takes = "classes"

    def __init__(
        self,
        network: Network | nn.Module,
        num_classes: int,
        loss: ClassificationLoss | nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        if num_classes < 1:
            raise ValueError("the data has continuous targets, not classes: use models.Regressor")
        ignored = getattr(loss, "ignore_index", UNLABELLED)
        if ignored not in (None, UNLABELLED):
            raise ValueError(f"loss: ignore_index {ignored} is not supported: metrics see every sample")
        super().__init__(network, nn.CrossEntropyLoss() if loss is None else loss, **kwargs)
        self.regularizers.setup(network, num_classes)
        smoothing = next((type(item).__name__ for item in self.regularizers.members() if item.softens_labels), None)
        if smoothing and getattr(loss, "label_smoothing", None):
            raise ValueError(f"the loss's label_smoothing and {smoothing} both soften labels: leave one out")
        made = ", which takes the probabilities that regularizers make of labels" if self.regularizers else ""
        self.fitting_losses = f"CrossEntropyLoss{made}"
        self.num_classes = self.num_outputs = num_classes
        self.train_metrics = training_metrics(num_classes)
        self.val_metrics = evaluation_metrics(num_classes)
        self.test_metrics = test_metrics(num_classes)
        self.add_own_metrics(with_class_probabilities, num_classes=num_classes)

    @override
    def on_fit_start(self) -> None:
        super().on_fit_start()
        counts = getattr(self.datamodule, "class_counts", None)
        if counts is not None:
            names = getattr(self.datamodule, "class_names", None) or tuple(map(str, range(len(counts))))
            check_classes(self.num_classes, counts, names, warn=self.trainer.is_global_zero)

    @override
    def check_range(self, found: OutputRange, outputs: Tensor, targets: Tensor) -> None:
        if found.operation != "log-softmax":
            check_class_range(found)
        elif output_kind(outputs) != "log-probabilities" and bool(outputs.isfinite().all()):
            raise TrainingError("network: its last log-softmax is not over the classes: use nn.LogSoftmax(-1)")

    @override
    def check_loss(self, trial: Trial, outputs: Tensor) -> None:
        check_class_loss(trial, self.soft_targets, outputs)
        if self.trainer.world_size > 1 and self.trainer.is_global_zero:
            warn_of_coupled_samples(trial, self.loss, self.soft_targets, outputs)

    @override
    def soft_targets(self, targets: Tensor) -> Tensor:
        """Return labels (N,) as they are if all regularizers take them so, else as class probabilities (N, C)."""
        return targets if self.regularizers.takes_labels else F.one_hot(targets, self.num_classes).float()

    @override
    def outputs_mismatch(self, outputs: Tensor, of_steps: bool) -> str:
        labels, wanted = ("(N, T)", "(N, T, C)") if of_steps else ("(N,)", "(N, C)")
        if outputs.ndim == len(wanted.split(",")):
            return f"the network gives {outputs.shape[-1]} logits; the data has {self.num_classes} classes"
        return (
            f"the network gives logits {tuple(outputs.shape)}; labels {labels} need {wanted} "
            f"(Recurrent gives them with --model.network.output {'every' if of_steps else 'last'})"
        )

    @override
    def compute_loss(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the loss; class weights mean the same for probabilities as for labels.

        torch divides a weighted mean over labels by the sum of their weights, but one over probabilities by N.
        """
        criterion, soft = self.loss, targets.is_floating_point()
        given = targets.to(outputs.dtype) if soft else targets
        if weights is not None:
            return weighted_loss(criterion, outputs, given, weights)
        loss: Tensor = criterion(outputs, given)
        if not soft or not isinstance(criterion, nn.CrossEntropyLoss) or criterion.reduction != "mean":
            return loss
        if criterion.weight is not None:
            loss = loss * len(targets) / loss_divisor(criterion, targets)
        return loss

    @override
    def to_results(self, predictions: Tensor) -> Tensor:
        """Return class probabilities, (N, C), or those of the labelled steps, (M, C)."""
        return class_probabilities(predictions)

    @override
    def result_columns(self, results: Tensor, names: Sequence[str], most: int | None = None) -> Columns:
        return class_columns(results, names, most) | self.set_column(results, names)

    @override
    def temperature_pairs(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return outputs, targets

    @override
    def nonconformity(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return class_scores(predictions, targets)

    @override
    def conformal_metrics(self, conformal: Conformal) -> dict[str, Metric | MetricCollection]:
        return {
            "set_coverage": ConformalCoverage(class_scores, conformal.threshold),
            "set_size": MeanSetSize(class_probabilities, conformal.threshold),
            "empty_sets": EmptySets(class_probabilities, conformal.threshold),
        }

    @override
    def prediction_columns(
        self, outputs: Tensor, targets: Tensor | None, class_names: Sequence[str]
    ) -> dict[str, list[str]]:
        columns = {} if targets is None else {"target": [class_names[target] for target in targets.tolist()]}
        columns["prediction"] = [class_names[label] for label in outputs.argmax(-1).tolist()]
        columns |= self.set_column(outputs, class_names)
        for label, name in enumerate(class_names):
            columns[f"probability_{name}"] = [f"{probability:.6g}" for probability in outputs[:, label].tolist()]
        return columns


def check_classes(num_classes: int, counts: Sequence[int], names: Sequence[str], warn: bool) -> None:
    """Check that a training part holds the classes to learn.

    Args:
        num_classes: Number of classes of the task.
        counts: Number of training labels of each class of the data.
        names: The data's class names.
        warn: Warn of classes that have no training label.

    Raises:
        TrainingError: The data has more classes than the task, or a single class in the training part.
    """
    if len(counts) > num_classes:
        raise TrainingError(f"num_classes: the task has {num_classes} classes and the data {len(counts)}")
    held = [name for name, count in zip(names, counts, strict=True) if count]
    if len(held) == 1:
        raise TrainingError(f"the training part holds one class alone, {held[0]}: there is nothing to tell apart")
    missing = [name for name, count in zip(names, counts, strict=True) if not count]
    missing += [f"number {label}" for label in range(len(counts), num_classes)]
    if missing and warn:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        warnings.warn(
            f"the training part holds {len(held)} of {num_classes} classes: no sample of "
            f"{', '.join(missing[:5])}{more}",
            stacklevel=2,
        )
