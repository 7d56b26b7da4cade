"""A module whose predictions may be calibrated, and averaged over several views of each sample."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from datamodules.augmentation.views import Views
from models.calibration import Calibration, Conformal, conformal_threshold, fit_temperature
from models.calibration.calibration import CALIBRATION_KEY
from models.calibration.conformal import prediction_sets
from models.errors import TrainingError
from models.evaluated import Batch, EvaluatedModule
from models.network_outputs import check_raw, network_outputs
from models.preprocessing import Inputs


class CalibratedModule(EvaluatedModule):
    """The part of a task that calibrates its predictions, and averages them over views.

    A calibration comes with a checkpoint (`holdout calibrate`) and stays until the module is trained: training, and
    validation meanwhile, use the network's outputs as they are.

    Attributes:
        calibration: What was fitted on the validation part; None if nothing was.
        views: Views of each sample whose outputs are averaged in an evaluation and by `forward`; None for the sample
            alone.
    """

    calibration: Calibration | None = None
    views: Views | None = None

    @property
    def conformal(self) -> Conformal | None:
        """What prediction sets or intervals are made by; None without a calibration."""
        return None if self.calibration is None else self.calibration.conformal

    @property
    def temperature(self) -> float:
        """Divisor of the logits, 1 without a calibration."""
        return 1.0 if self.calibration is None else self.calibration.temperature

    def take_calibration(self, calibration: Calibration | None) -> None:
        """Use a calibration from here on, None for none; a test measures its prediction sets or intervals too."""
        for name in {} if self.conformal is None else self.conformal_metrics(self.conformal):
            del self.test_metrics[name]
        self.calibration = calibration
        if self.conformal is not None:
            self.test_metrics.add_metrics(self.conformal_metrics(self.conformal))  # type: ignore[arg-type]

    def setup(self, stage: str) -> None:
        """Forget the calibration before training, which changes the weights that it was fitted for."""
        super().setup(stage)
        if stage == "fit":
            self.take_calibration(None)

    def forward(self, raw: Inputs) -> Tensor:
        """Return predictions for raw inputs, such as images of bytes; as `EvaluatedModule.forward`."""
        if self.views is None:
            return super().forward(raw)
        check_raw(type(self).__name__, raw)
        images = self.preprocessing.scale(self.preprocessing.resize(raw))  # type: ignore[arg-type]
        self.views.check_images(images)
        outputs = _mean(
            (weight, network_outputs(self.network, self.preprocessing.normalize(view, self.network_dtype)))
            for weight, view in self.views.of(images)
        )
        return self.to_predictions(outputs)

    def evaluate(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return predictions and targets of a batch, as the metrics compare them; nothing is recorded."""
        outputs, targets = self.raw_outputs(batch)
        return self.to_predictions(outputs), targets

    def raw_outputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the network's outputs for a batch, of several views their mean, and the targets."""
        if self.views is None:
            inputs, targets, steps = self.unpack(batch)
            return self.compute_outputs(inputs, steps), targets
        images, *rest = batch
        self.views.check_images(images)
        seen = [(weight, self.unpack((view, *rest))) for weight, view in self.views.of(images)]
        outputs = _mean((weight, self.compute_outputs(inputs, steps)) for weight, (inputs, _, steps) in seen)
        return outputs, seen[0][1][1]

    def to_predictions(self, outputs: Tensor) -> Tensor:
        """Return logits, divided by the temperature if one was fitted; other outputs as they are."""
        return _scaled(outputs, self.temperature)

    def fit_calibration(self, outputs: Tensor, targets: Tensor, coverage: float = 0.9) -> Calibration:
        """Return the calibration that fits the outputs of a validation part, without any; it is not taken yet.

        Args:
            outputs: Of all validation samples, (N, ...), as `validation_step` returns them.
            targets: (N, ...).
            coverage: Probability with which prediction sets or intervals hold the truth, in (0, 1).

        Raises:
            ValueError: There are too few samples for that coverage.
        """
        pairs = self.temperature_pairs(outputs, targets)
        temperature = 1.0 if pairs is None else fit_temperature(*pairs)
        threshold = conformal_threshold(self.nonconformity(_scaled(outputs, temperature), targets), coverage)
        views = "" if self.views is None else self.views.description
        return Calibration(temperature, Conformal(coverage, threshold), len(targets), views)

    def temperature_pairs(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return the logits (M, C) and labels (M,) that the temperature is fitted on; None if outputs have none."""
        return None

    def nonconformity(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """Return how badly each target fits its prediction, (N,): the score of conformal prediction.

        Raises:
            TrainingError: The task does not say so.
        """
        raise TrainingError(f"{type(self).__name__} has no scores for prediction sets: define its nonconformity")

    def conformal_metrics(self, conformal: Conformal) -> dict[str, Metric | MetricCollection]:
        """Return what a test measures of prediction sets or intervals, by name."""
        return {}

    def set_column(self, probabilities: Tensor, class_names: Sequence[str]) -> dict[str, list[str]]:
        """Return the column of the prediction sets, names joined by "|", if there are any.

        Args:
            probabilities: (N, C).
            class_names: C names.
        """
        if self.conformal is None:
            return {}
        sets = prediction_sets(probabilities, self.conformal.threshold).tolist()
        return {"prediction_set": ["|".join(itertools.compress(class_names, held)) for held in sets]}

    def calibration_record(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of the calibration; nothing without one."""
        return {} if self.calibration is None else {CALIBRATION_KEY: self.calibration.to_plain()}


def _mean(weighted: Iterable[tuple[float, Tensor]]) -> Tensor:
    return torch.stack([weight * _exact(outputs) for weight, outputs in weighted]).sum(0)


def _scaled(logits: Tensor, temperature: float) -> Tensor:
    return logits if temperature == 1 else _exact(logits) / temperature


def _exact(outputs: Tensor) -> Tensor:
    return outputs.to(torch.promote_types(outputs.dtype, torch.float32))
