"""The outputs and the targets of a whole validation."""

from typing import Any, ClassVar

import lightning as L
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat
from typing_extensions import override

from datamodules.samples import existing_targets
from models.errors import TrainingError


class ValidationOutputs(L.Callback):
    """Keeps what a validation compares: a task's outputs without calibration, and the targets, of all devices.

    Attributes:
        outputs: (N, ...), on the CPU; set when the validation ends.
        targets: (N, ...), on the CPU.
    """

    changes_training: ClassVar[bool] = False

    def __init__(self) -> None:
        self._kept = KeptPairs()
        self.outputs: Tensor
        self.targets: Tensor

    @override
    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._kept.reset()
        self._kept.to(pl_module.device)
        pl_module.take_calibration(None)  # type: ignore[operator]

    @override
    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        if not isinstance(outputs, Tensor):
            name = type(pl_module).__name__
            raise TrainingError(f"{name}: its validation_step must return the predictions, to be calibrated")
        self._kept.update(outputs, existing_targets(batch[1]))

    @override
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.outputs, self.targets = (values.cpu() for values in self._kept.compute())


class KeptPairs(Metric):
    """All outputs and targets; the devices exchange them as they do the states of other metrics."""

    full_state_update = False
    outputs: list[Tensor]
    targets: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("outputs", [], dist_reduce_fx="cat")
        self.add_state("targets", [], dist_reduce_fx="cat")

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch."""
        self.outputs.append(outputs)
        self.targets.append(targets.to(torch.uint8) if targets.dtype == torch.bool else targets)  # as in other metrics

    def compute(self) -> tuple[Tensor, Tensor]:
        """Return outputs and targets, (N, ...)."""
        return dim_zero_cat(self.outputs), dim_zero_cat(self.targets)
