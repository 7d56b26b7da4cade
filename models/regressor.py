"""Regression of continuous targets."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from models.losses import ClassificationLoss
from models.losses.weighted import weighted_loss
from models.metrics.regression import evaluation_metrics, training_metrics
from models.networks import Network
from models.task import Task


class Regressor(Task):
    """Trains a network on standardised targets; the metrics are in the unit of the targets.

    `train/loss`, `val/loss` and `test/loss` are the plain mean squared error, whatever loss and regularizers are
    trained with, so that any two runs can be compared; `train/objective` is the minimised value, of standardised
    targets.

    Args:
        network: Maps inputs (N, ...) to standardised outputs (N, outputs).
        target_mean: Mean of each target over the training part; filled in from the data.
        target_std: Standard deviation of each target over the training part, above 0; filled in from the data.
        loss: Maps outputs and standardised targets, (N, outputs) each, to a scalar to minimise; mean squared error if
            not given. `torch.nn.L1Loss` and `torch.nn.HuberLoss` give outliers less weight.
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
        self.register_buffer("target_mean", torch.tensor(target_mean))
        self.register_buffer("target_std", torch.tensor(target_std))
        self.num_outputs = len(target_mean)
        self.train_metrics = training_metrics()
        self.val_metrics = evaluation_metrics()
        self.test_metrics = evaluation_metrics()

    @override
    def example(self) -> tuple[Tensor, Tensor]:
        values = torch.zeros(2, len(self.target_mean), device=self.device)
        return values, values

    @override
    def soft_targets(self, targets: Tensor) -> Tensor:
        """Return standardised targets, (N, outputs)."""
        return (targets - self.target_mean) / self.target_std

    @override
    def to_predictions(self, outputs: Tensor) -> Tensor:
        """Return outputs in the unit of the targets, (N, outputs), float32."""
        return outputs.float() * self.target_std + self.target_mean

    @override
    def outputs_mismatch(self, outputs: Tensor, of_steps: bool) -> str:
        return (
            f"the network gives outputs {tuple(outputs.shape)}; targets (N, {self.num_outputs}) need the same shape "
            f"(Recurrent gives it with --model.network.output last)"
        )

    @override
    def compute_loss(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        if weights is not None:
            return weighted_loss(self.loss, outputs, targets.to(outputs.dtype), weights)
        loss: Tensor = self.loss(outputs, targets.to(outputs.dtype))
        return loss

    @override
    def prediction_columns(
        self, outputs: Tensor, targets: Tensor | None, class_names: Sequence[str]
    ) -> dict[str, list[str]]:
        columns = {} if targets is None else _columns("target", targets)
        return columns | _columns("prediction", outputs)


def _columns(name: str, values: Tensor) -> dict[str, list[str]]:
    names = [name] if values.shape[1] == 1 else [f"{name}_{number}" for number in range(values.shape[1])]
    return {name: [f"{value:.6g}" for value in values[:, k].tolist()] for k, name in enumerate(names)}
