"""Regression of continuous targets, of samples or of the steps of sequences."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection
from typing_extensions import override

from models.calibration import Conformal
from models.calibration.conformal import interval_scores
from models.last_operation import OutputRange, check_value_range
from models.losses import ClassificationLoss
from models.losses.directions import check_value_loss
from models.losses.trial import Trial
from models.losses.weighted import weighted_loss
from models.metrics.conformal import ConformalCoverage
from models.metrics.mean_loss import SUM_DTYPE
from models.metrics.own import single_column
from models.metrics.regression import evaluation_metrics, training_metrics
from models.networks import Network
from models.result_columns import Columns, value_columns
from models.task import Task


class Regressor(Task):
    """Trains a network on standardised targets; the metrics are in the unit of the targets.

    `train/loss`, `val/loss` and `test/loss` are the plain mean squared error, whatever loss and regularizers are
    trained with, so that any two runs can be compared; `train/objective` is the minimised value, of standardised
    targets. Targets in float64 are standardised in float64 before they are cast.

    Where targets belong to steps of sequences, (N, T, outputs), each step that has one counts as a sample; NaN marks a
    step without a target, which regularizers, loss and metrics do not see.

    Args:
        network: Maps inputs (N, ...) to standardised outputs (N, outputs), or (N, T, outputs).
        target_mean: Mean of each target over the training part; filled in from the data.
        target_std: Standard deviation of each target over the training part, above 0; filled in from the data.
        loss: Maps outputs and standardised targets, (N, outputs) each, to a scalar to minimise; mean squared error if
            not given. `torch.nn.L1Loss` and `torch.nn.HuberLoss` give outliers less weight. It must be lowest where
            outputs equal the targets.
        kwargs: Arguments of `Task`: regularizers, optimizer, lr_scheduler and so on.

    Raises:
        ValueError: There are no continuous targets, or mean and standard deviation do not fit each other.
    """

    loss_name = "mean squared error"
    takes = "values"
    target_mean: Tensor
    target_std: Tensor

    def __init__(
        self,
        network: Network | nn.Module,
        target_mean: list[float],
        target_std: list[float],
        loss: nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        if not target_mean:
            raise ValueError(
                "the data has classes, not continuous targets: use models.Classifier (several labels per sample: "
                "models.MultiLabelClassifier), or set Tabular's data.continuous"
            )
        if isinstance(loss, nn.CrossEntropyLoss | ClassificationLoss):
            raise ValueError(f"loss: {type(loss).__name__} compares classes; targets are continuous")
        super().__init__(network, nn.MSELoss() if loss is None else loss, **kwargs)
        self.regularizers.setup(network, num_classes=0)
        if len(target_mean) != len(target_std) or not all(std > 0 for std in target_std):
            raise ValueError(f"target_mean {target_mean} and target_std {target_std} do not fit each other")
        self.register_buffer("target_mean", torch.tensor(target_mean, dtype=SUM_DTYPE))
        self.register_buffer("target_std", torch.tensor(target_std, dtype=SUM_DTYPE))
        self.fitting_losses = "MSELoss, L1Loss or HuberLoss"
        self.num_outputs = len(target_mean)
        self.train_metrics = training_metrics()
        self.val_metrics = evaluation_metrics(self.num_outputs)
        self.test_metrics = evaluation_metrics(self.num_outputs)
        self.add_own_metrics(single_column, num_outputs=self.num_outputs)

    @override
    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Regressor":
        exact = {"target_mean": self.target_mean, "target_std": self.target_std}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # half precision would round them
        for name, values in exact.items():
            setattr(self, name, values.to(getattr(self, name).device))
        return self

    @override
    def check_range(self, found: OutputRange, outputs: Tensor, targets: Tensor) -> None:
        check_value_range(found, targets)

    @override
    def check_loss(self, trial: Trial, outputs: Tensor) -> None:
        check_value_loss(trial, outputs.shape[-1])

    @override
    def soft_targets(self, targets: Tensor) -> Tensor:
        """Return standardised targets, (N, outputs), in the network's precision, float32 or more."""
        precision = torch.promote_types(self.network_dtype or torch.float32, torch.float32)
        return ((targets.to(SUM_DTYPE) - self.target_mean) / self.target_std).to(precision)

    @override
    def to_predictions(self, outputs: Tensor) -> Tensor:
        """Return outputs in the unit of the targets, (N, outputs), in double precision."""
        return outputs.to(SUM_DTYPE) * self.target_std + self.target_mean

    @override
    def outputs_mismatch(self, outputs: Tensor, of_steps: bool) -> str:
        targets, output = ("(N, T, {})", "every") if of_steps else ("(N, {})", "last")
        return (
            f"the network gives outputs {tuple(outputs.shape)}; targets {targets.format(self.num_outputs)} need the "
            f"same shape (Recurrent gives it with --model.network.output {output})"
        )

    @override
    def compute_loss(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        if weights is not None:
            return weighted_loss(self.loss, outputs, targets.to(outputs.dtype), weights)
        loss: Tensor = self.loss(outputs, targets.to(outputs.dtype))
        return loss

    @override
    def result_columns(self, results: Tensor, names: Sequence[str], most: int | None = None) -> Columns:
        columns, half = value_columns(results, names), self.interval_half_widths()
        if half is None:
            return columns
        ends = {"lower": results - half, "upper": results + half}
        return columns | {
            name.replace("prediction", end, 1): values
            for end, numbers in ends.items()
            for name, values in value_columns(numbers, names).items()
        }

    @override
    def prediction_columns(
        self, outputs: Tensor, targets: Tensor | None, class_names: Sequence[str]
    ) -> dict[str, list[str]]:
        columns = {} if targets is None else _columns("target", targets)
        columns |= _columns("prediction", outputs)
        half = self.interval_half_widths()
        if half is not None:
            columns |= _columns("lower", outputs - half) | _columns("upper", outputs + half)
        return columns

    @override
    def nonconformity(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return interval_scores(predictions, targets, self.target_std.to(predictions.device))

    @override
    def conformal_metrics(self, conformal: Conformal) -> dict[str, Metric | MetricCollection]:
        return {"interval_coverage": ConformalCoverage(self.nonconformity, conformal.threshold)}

    def interval_half_widths(self) -> Tensor | None:
        """Return how far each output's interval reaches to either side, (outputs,); None if there are no intervals.

        Together the intervals of a sample hold all its targets with the stated probability.
        """
        return None if self.conformal is None else self.conformal.threshold * self.target_std.cpu()


def _columns(name: str, values: Tensor) -> dict[str, list[str]]:
    names = [name] if values.shape[1] == 1 else [f"{name}_{number}" for number in range(values.shape[1])]
    return {name: [str(value) for value in values[:, k].numpy()] for k, name in enumerate(names)}  # all digits it has
