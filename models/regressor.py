"""Regression of continuous targets: the task, whatever the network, loss and regularizers."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import TrainingError, check_loss_fits
from models.evaluated import Batch, Steps
from models.losses import ClassificationLoss
from models.metrics.regression import evaluation_metrics, training_metrics
from models.networks import Network
from models.task import Task


class Regressor(Task):
    """Trains a network on standardised targets; the figures are in the targets' own unit.

    `train/loss`, `val/loss` and `test/loss` are the plain mean squared error, whatever loss and regularizers are
    trained with, so that any two runs can be compared; what is minimised is `train/objective`, of standardised targets.

    Args:
        network: Maps inputs (N, ...) to outputs (N, outputs), which stand for standardised targets.
        target_mean: Mean of each target over the training part; the data says it.
        target_std: Standard deviation of each target over the training part, above 0; likewise.
        loss: What is minimised: maps outputs and standardised targets, (N, outputs) each, to a scalar; mean squared
            error if not given. `torch.nn.L1Loss` and `torch.nn.HuberLoss` heed outliers less.
        kwargs: Arguments of `Task`: regularizers, optimizer, lr_scheduler and so on.

    Raises:
        ValueError: There are no continuous targets, or mean and standard deviation do not belong together.
    """

    loss_name = "mean squared error"
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
                "the data has classes, not continuous targets: use models.Classifier, or set Tabular's data.continuous"
            )
        if isinstance(loss, nn.CrossEntropyLoss | ClassificationLoss):
            raise ValueError(f"loss: {type(loss).__name__} compares classes; targets are continuous")
        super().__init__(network, nn.MSELoss() if loss is None else loss, **kwargs)
        self.regularizers.setup(network, num_classes=0)
        if len(target_mean) != len(target_std) or not all(std > 0 for std in target_std):
            raise ValueError(f"target_mean {target_mean} and target_std {target_std} do not belong together")
        self.register_buffer("target_mean", torch.tensor(target_mean))
        self.register_buffer("target_std", torch.tensor(target_std))
        self.train_metrics = training_metrics()
        self.val_metrics = evaluation_metrics()
        self.test_metrics = evaluation_metrics()

    def on_fit_start(self) -> None:
        """Refuse a loss that does not fit the targets before anything is trained."""
        super().on_fit_start()
        example = torch.zeros(2, len(self.target_mean), device=self.device)
        check_loss_fits(self, example, example)

    def outputs(self, inputs: Any, steps: Steps | None) -> Tensor:
        """Return the network's outputs, (N, outputs).

        Raises:
            TrainingError: It gives others.
        """
        outputs = super().outputs(inputs, steps)
        if outputs.ndim != 2 or outputs.shape[1] != len(self.target_mean):
            raise TrainingError(
                f"the network gives outputs {tuple(outputs.shape)}; targets (N, {len(self.target_mean)}) need as many "
                f"(Recurrent gives them with --model.network.output last)"
            )
        return outputs

    def soft_targets(self, targets: Tensor) -> Tensor:
        """Return standardised targets, (N, outputs)."""
        return (targets - self.target_mean) / self.target_std

    def predictions(self, outputs: Tensor) -> Tensor:
        """Return a network's outputs in the targets' own unit, (N, outputs), float32."""
        return outputs.float() * self.target_std + self.target_mean

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return predictions in the targets' own unit, (N, outputs)."""
        inputs, _, steps = self.unpack(batch)
        return self.predictions(self.outputs(inputs, steps))

    def prediction_columns(  # noqa: D102
        self, outputs: Tensor, targets: Tensor | None, class_names: Sequence[str]
    ) -> dict[str, list[str]]:
        columns = {} if targets is None else _columns("target", targets)
        return columns | _columns("prediction", outputs)


def _columns(name: str, values: Tensor) -> dict[str, list[str]]:
    names = [name] if values.shape[1] == 1 else [f"{name}_{number}" for number in range(values.shape[1])]
    return {name: [f"{value:.6g}" for value in values[:, k].tolist()] for k, name in enumerate(names)}
