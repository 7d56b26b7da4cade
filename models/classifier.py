"""Classification where samples, or steps of sequences, have one label each, whatever network, loss, regularizers."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import MetricCollection

from models.errors import TrainingError, check_loss_fits
from models.evaluated import Batch, Steps
from models.losses import ClassCountLoss, ClassificationLoss
from models.metrics.classification import class_accuracy, evaluation_metrics, training_metrics
from models.networks import Network
from models.task import Task

UNUSED_LABEL = -100  # torch's own default of `ignore_index`, which no class has


class Classifier(Task):
    """Trains a network to classify; the figures are cross entropy, accuracy, macro F1 and calibration error.

    `train/loss`, `val/loss` and `test/loss` are the plain cross entropy against the data's labels, whatever loss and
    regularizers are trained with, so that any two runs can be compared; what is minimised is `train/objective`. Under
    `label_noise` some of the training labels are wrong, none of the others.

    Where the labels are of the steps of sequences, (N, T), every labelled step is what a sample is elsewhere, and -100
    marks a step without a label: the regularizers' targets, loss and figures see labelled steps alone.

    Args:
        network: Maps inputs (N, ...) to logits (N, num_classes), or (N, T, num_classes).
        num_classes: Number of classes, C.
        loss: What is minimised: maps logits and targets (labels (N,), or probabilities (N, C) once a regularizer is in
            the list) to a scalar; cross entropy if not given.
        kwargs: Arguments of `Task`: regularizers, optimizer, lr_scheduler and so on.

    Raises:
        ValueError: There are no classes. The loss leaves samples out, or `Task` refuses an argument.
    """

    loss_name = "cross entropy"

    def __init__(
        self,
        network: Network | nn.Module,
        num_classes: int,
        loss: ClassificationLoss | nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        if num_classes < 1:
            raise ValueError("the data has continuous targets, not classes: use models.Regressor")
        ignored = getattr(loss, "ignore_index", UNUSED_LABEL)
        if ignored != UNUSED_LABEL:
            raise ValueError(
                f"loss: ignore_index {ignored} is not supported: figures and regularizers take every sample"
            )
        super().__init__(network, nn.CrossEntropyLoss() if loss is None else loss, **kwargs)
        self.regularizers.setup(network, num_classes)
        smoothing = next((type(item).__name__ for item in self.regularizers.members() if item.softens_labels), None)
        if smoothing and getattr(loss, "label_smoothing", None):
            raise ValueError(f"the loss's label_smoothing and {smoothing} both soften labels: leave one out")
        self.num_classes = num_classes
        self.train_metrics = training_metrics(num_classes)
        self.val_metrics = evaluation_metrics(num_classes)
        self.test_metrics: MetricCollection = evaluation_metrics(num_classes)
        self.test_class_accuracy = class_accuracy(num_classes)

    def on_fit_start(self) -> None:
        """Refuse a loss that does not fit the targets before anything is trained.

        Raises:
            TrainingError: It takes no logits with labels, or none with the regularizers' probabilities.
        """
        super().on_fit_start()
        if isinstance(self.loss, ClassCountLoss):
            counts = getattr(self._datamodule(), "class_counts", None)
            if counts is None:
                raise TrainingError(f"loss: {type(self.loss).__name__} needs a datamodule that has class_counts")
            self.loss.set_class_counts(torch.tensor(counts, device=self.device))
        outputs = torch.zeros(2, self.num_classes, device=self.device)
        check_loss_fits(self, outputs, torch.zeros(2, dtype=torch.int64, device=self.device))

    def soft_targets(self, targets: Tensor) -> Tensor:
        """Return labels (N,) as class probabilities (N, C) if there are regularizers; without them they stay."""
        return F.one_hot(targets, self.num_classes).float() if self.regularizers else targets

    def unpack(self, batch: Batch) -> tuple[Any, Tensor, Steps | None]:
        """Return inputs, labels (N,) and None; of labels (N, T) the M that there are, (M,), and their places."""
        inputs, targets = batch
        if targets.ndim == 1:
            return inputs, targets, None
        steps = (targets != UNUSED_LABEL).nonzero(as_tuple=True)
        return inputs, targets[steps], steps

    def outputs(self, inputs: Any, steps: Steps | None) -> Tensor:
        """Return the logits of the samples, (N, C), or of the labelled steps, (M, C).

        Raises:
            TrainingError: The network gives logits for every step and labels are of samples, or the reverse.
        """
        logits = super().outputs(inputs, steps)
        if logits.ndim != (2 if steps is None else 3):
            labels, wanted = ("(N,)", "(N, C)") if steps is None else ("(N, T)", "(N, T, C)")
            raise TrainingError(
                f"the network gives logits {tuple(logits.shape)}; labels {labels} need {wanted} "
                f"(Recurrent gives them with --model.network.output {'last' if steps is None else 'every'})"
            )
        return logits if steps is None else logits[steps]

    def compute_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss; class weights mean the same for probabilities as for labels.

        torch divides a mean weighted cross entropy by the sum of the labels' weights, but one of probabilities by N.
        """
        loss, criterion = super().compute_loss(outputs, targets), self.loss
        if not isinstance(criterion, nn.CrossEntropyLoss) or criterion.weight is None:
            return loss
        if criterion.reduction == "mean" and targets.is_floating_point():
            loss = loss * len(targets) / (targets.detach() * criterion.weight).sum()
        return loss

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Measure one test batch, class by class too; return the logits of what has a label, (M, num_classes)."""
        logits, targets = self._evaluate(batch, self.test_metrics)
        self.test_class_accuracy.update(logits, targets)
        return logits

    def on_test_epoch_end(self) -> None:
        """Log the test figures and the accuracy of each class under its name."""
        super().on_test_epoch_end()
        names = getattr(getattr(self.trainer, "datamodule", None), "class_names", range(self.num_classes))
        for name, value in zip(names, self.test_class_accuracy.compute(), strict=True):
            self.log(f"test/class_accuracy/{name}", value, sync_dist=True)
        self.test_class_accuracy.reset()

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return class probabilities (N, C); of the M labelled steps, (M, C), where labels are of steps."""
        inputs, _, steps = self.unpack(batch)
        return torch.softmax(self.outputs(inputs, steps).float(), dim=-1)

    def prediction_columns(  # noqa: D102
        self, outputs: Tensor, targets: Tensor | None, class_names: Sequence[str]
    ) -> dict[str, list[str]]:
        columns = {} if targets is None else {"target": [class_names[target] for target in targets.tolist()]}
        columns["prediction"] = [class_names[label] for label in outputs.argmax(-1).tolist()]
        shares = {f"probability_{name}": outputs[:, label].tolist() for label, name in enumerate(class_names)}
        return columns | {name: [f"{share:.6g}" for share in column] for name, column in shares.items()}
