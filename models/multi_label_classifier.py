"""Classification of samples by several yes/no labels each, or by one."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection
from typing_extensions import override

from models.calibration import Calibration, Conformal
from models.calibration.conformal import label_probabilities, label_scores
from models.calibration.temperature import as_classes
from models.evaluated import Batch
from models.last_operation import OutputRange, check_label_range
from models.losses import ClassificationLoss
from models.losses.directions import check_label_loss, warn_of_coupled_samples
from models.losses.trial import Trial
from models.losses.weighted import weighted_loss
from models.metrics.conformal import ConformalCoverage, MeanSetSize
from models.metrics.multi_label import BestThresholds, evaluation_metrics, test_metrics, training_metrics
from models.metrics.own import with_label_probabilities
from models.networks import Network
from models.result_columns import Columns, label_columns
from models.task import Task
from models.thresholds import DecisionThresholds

NOT_OF_LOGITS = (nn.CrossEntropyLoss, nn.NLLLoss, nn.BCELoss, ClassificationLoss)


class MultiLabelClassifier(Task):
    """Trains a network to decide several independent yes/no labels of a sample; binary classification has one.

    `train/loss`, `val/loss` and `test/loss` are the plain binary cross entropy, the mean over samples and labels,
    whatever loss and regularizers are trained with, so that any two runs can be compared; `train/objective` is the
    minimised value.

    A label's decision is whether its probability reaches a threshold. Each validation chooses the thresholds that
    maximise F1 on the validation part, 1/2 before the first; so `val/f1_macro`, `val/accuracy` and `val/exact_match`
    are a little too good. They are in the checkpoint, and `test` and `predict` use them; `thresholds` makes decisions
    of probabilities (N, L). A label without positive samples is no part of `auroc`, `average_precision` and `f1_macro`,
    and has none of its own.

    Args:
        network: Maps inputs (N, ...) to logits (N, num_labels).
        num_labels: Number of labels, L; filled in from the data.
        loss: Maps logits and the probability of each label, (N, num_labels) each, to a scalar to minimise;
            `torch.nn.BCEWithLogitsLoss` if not given. `models.losses.BinaryCrossEntropy` gives rare labels more weight.
        kwargs: Arguments of `Task`: regularizers, optimizer, lr_scheduler and so on.

    Raises:
        ValueError: There are no labels, the loss is not one of independent labels, or `Task` refuses an argument.
    """

    loss_name = "binary cross entropy"
    takes = "labels"

    def __init__(
        self, network: Network | nn.Module, num_labels: int, loss: nn.Module | None = None, **kwargs: Any
    ) -> None:
        if num_labels < 1:
            raise ValueError(
                "the data has no yes/no labels: use models.Classifier for classes, models.Regressor for continuous "
                "targets"
            )
        if isinstance(loss, NOT_OF_LOGITS) and not isinstance(loss, nn.BCEWithLogitsLoss):
            raise ValueError(
                f"loss: {type(loss).__name__} is not a loss of the logits of independent labels: use "
                f"torch.nn.BCEWithLogitsLoss or models.losses.BinaryCrossEntropy, and no sigmoid in the network"
            )
        super().__init__(network, nn.BCEWithLogitsLoss() if loss is None else loss, **kwargs)
        self.regularizers.setup(network, num_labels, kind="labels")
        self.fitting_losses = "BCEWithLogitsLoss"
        self.num_labels = self.num_outputs = num_labels
        self.thresholds = DecisionThresholds(num_labels)
        self.best_thresholds = BestThresholds()
        self.train_metrics = training_metrics()
        decide = self.thresholds.forward  # a method: a module would put its thresholds into checkpoints once more
        self.val_metrics = evaluation_metrics(num_labels, decide)
        self.test_metrics = test_metrics(num_labels, decide)
        self.add_own_metrics(with_label_probabilities, num_labels=num_labels)

    @override
    def check_range(self, found: OutputRange, outputs: Tensor, targets: Tensor) -> None:
        check_label_range(found)

    @override
    def check_loss(self, trial: Trial, outputs: Tensor) -> None:
        check_label_loss(trial, self.num_labels)
        if self.trainer.world_size > 1 and self.trainer.is_global_zero:
            warn_of_coupled_samples(trial, self.loss, self._one_label, outputs)

    def _one_label(self, labels: Tensor) -> Tensor:
        return F.one_hot(labels, self.num_labels).float()

    @override
    def soft_targets(self, targets: Tensor) -> Tensor:
        """Return labels as probabilities, (N, num_labels)."""
        return targets.float()

    @override
    def outputs_mismatch(self, outputs: Tensor, of_steps: bool) -> str:
        if outputs.ndim == 2:
            return f"the network gives {outputs.shape[-1]} logits; the data has {self.num_labels} labels per sample"
        return (
            f"the network gives logits {tuple(outputs.shape)}; labels (N, {self.num_labels}) need the same shape "
            f"(Recurrent gives it with --model.network.output last)"
        )

    @override
    def compute_loss(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        given = targets.to(outputs.dtype)
        if weights is not None:
            return weighted_loss(self.loss, outputs, given, weights)
        loss: Tensor = self.loss(outputs, given)
        return loss

    @override
    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        outputs, targets = self.raw_outputs(batch)
        logits = self.to_predictions(outputs)
        self.val_metrics.update(logits, targets)
        self.best_thresholds.update(outputs, targets)
        return logits

    @override
    def on_validation_epoch_end(self) -> None:
        """Choose the thresholds, then log the validation metrics; the check before training chooses nothing."""
        chosen = self.best_thresholds.compute()
        self.best_thresholds.reset()
        if not self.trainer.sanity_checking:
            self.thresholds.values.copy_(chosen)
        super().on_validation_epoch_end()

    @override
    def to_results(self, predictions: Tensor) -> Tensor:
        """Return the probability of each label, (N, num_labels)."""
        return label_probabilities(predictions)

    @override
    def result_columns(self, results: Tensor, names: Sequence[str], most: int | None = None) -> Columns:
        return label_columns(results, self.thresholds(results), names) | self.set_column(results, names)

    @override
    def take_calibration(self, calibration: Calibration | None) -> None:
        super().take_calibration(calibration)
        self.thresholds.temperature = self.temperature

    @override
    def temperature_pairs(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return as_classes(outputs, targets)

    @override
    def nonconformity(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return label_scores(predictions, targets)

    @override
    def conformal_metrics(self, conformal: Conformal) -> dict[str, Metric | MetricCollection]:
        return {
            "set_coverage": ConformalCoverage(label_scores, conformal.threshold),
            "set_size": MeanSetSize(label_probabilities, conformal.threshold),
        }

    @override
    def prediction_columns(
        self, outputs: Tensor, targets: Tensor | None, class_names: Sequence[str]
    ) -> dict[str, list[str]]:
        decisions, columns = self.thresholds(outputs), {}
        for label, name in enumerate(class_names):
            if targets is not None:
                columns[f"target_{name}"] = [str(int(target)) for target in targets[:, label].tolist()]
            columns[f"prediction_{name}"] = [str(int(decision)) for decision in decisions[:, label].tolist()]
            columns[f"probability_{name}"] = [f"{probability:.6g}" for probability in outputs[:, label].tolist()]
        return columns | self.set_column(outputs, class_names)
