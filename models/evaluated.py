"""What every task measures, and how: training on the batches as they come, evaluation in one step for all parts."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from models.errors import TrainingError, check_finite, check_finite_metric
from models.exact_resume import ExactResume

Batch = tuple[Any, Tensor]  # inputs as the network takes them: a tensor, or sequences with their lengths
Steps = tuple[Tensor, ...]
Mode = Literal["min", "max"]
FLUSH_EVERY = 50  # batches kept before metrics are updated in one go: per-step updates cost more than a small network


class EvaluatedModule(ExactResume):
    """A network with the figures that it is measured by; nothing here knows of losses that train or of regularizers.

    A subclass sets `train_metrics`, `val_metrics` and `test_metrics`, which see predictions and the data's targets.

    Args:
        network: Maps inputs (N, ...) to outputs.
    """

    loss_name: ClassVar[str]  # what the figure `loss` measures

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.train_metrics: MetricCollection
        self.val_metrics: MetricCollection
        self.test_metrics: MetricCollection
        self.recording = True
        self._pending: list[tuple[int, Tensor, Tensor, Tensor]] = []

    def metric_modes(self) -> dict[str, Mode | None]:
        """Return the name of every metric that training logs: "max" if higher is better, "min" if lower is.

        None stands for a metric that does not say.
        """
        stages = {"train": self.train_metrics, "val": self.val_metrics}
        return {
            f"{stage}/{name}": mode(metric) for stage, metrics in stages.items() for name, metric in metrics.items()
        }

    def forward(self, inputs: Any) -> Tensor:
        """Return the network's outputs as `predictions` has them."""
        outputs: Tensor = self.network(inputs)
        return self.predictions(outputs)

    def predictions(self, outputs: Tensor) -> Tensor:
        """Return the network's outputs in the form that the metrics compare with targets."""
        return outputs

    @abstractmethod
    def prediction_columns(
        self, outputs: Tensor, targets: Tensor | None, class_names: Sequence[str]
    ) -> dict[str, list[str]]:
        """Return columns of a table, one row a sample, out of what `predict_step` returned.

        Args:
            outputs: All of it, (N, ...).
            targets: (N, ...), None where unknown.
            class_names: C names; none where targets are continuous.
        """

    def unpack(self, batch: Batch) -> tuple[Any, Tensor, Steps | None]:
        """Return inputs, the targets that count, and the places of those; None where all do."""
        return *batch, None

    def outputs(self, inputs: Any, steps: Steps | None) -> Tensor:
        """Return the network's outputs for the targets that count, whose places `unpack` returned.

        Raises:
            TrainingError: The network does not take sequences of different lengths, and these are.
        """
        try:
            outputs: Tensor = self.network(inputs)
        except (AttributeError, TypeError) as error:
            if isinstance(inputs, Tensor):
                raise
            name = type(self.network).__name__
            raise TrainingError(f"{name} takes no sequences of different lengths; Recurrent does ({error})") from error
        return outputs

    def record(self, objective: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """Keep what a training step came to, for the metrics; nothing in a batch's second pass.

        Args:
            objective: What is minimised, a scalar.
            outputs: The network's outputs for the batch.
            targets: The data's targets.
        """
        if self.recording:
            self._pending.append((self.global_step + 1, objective.detach(), outputs.detach(), targets))
        if len(self._pending) == FLUSH_EVERY:
            self.flush()

    def flush(self) -> None:
        """Bring the metrics up to date, log the mean objective, and stop a run whose loss is no number."""
        if not self._pending:
            return
        steps, objectives, outputs, targets = zip(*self._pending, strict=True)
        self._pending.clear()
        # Over all devices, so that a number that is none on one of them stops them all: one alone would be waited for.
        objective = self.trainer.strategy.reduce(torch.stack(objectives).float(), reduce_op="mean")
        check_finite(objective, steps, self.current_epoch)
        self.train_metrics.update(self.predictions(torch.cat(outputs)), torch.cat(targets))
        if self.logger is not None:
            self.logger.log_metrics({"train/objective": objective.mean().item()}, step=self.global_step)

    def on_train_start(self) -> None:
        """Begin, or go on, with nothing left of what Lightning's sanity check or an earlier fit measured."""
        self._pending.clear()
        super().on_train_start()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure one validation batch."""
        self._evaluate(batch, self.val_metrics)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Measure one test batch; return its predictions."""
        predictions, _ = self._evaluate(batch, self.test_metrics)
        return predictions

    def evaluate(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return predictions and targets of a batch, as the metrics compare them; nothing is recorded."""
        inputs, targets, steps = self.unpack(batch)
        return self.predictions(self.outputs(inputs, steps)), targets

    def _evaluate(self, batch: Batch, metrics: MetricCollection) -> tuple[Tensor, Tensor]:
        predictions, targets = self.evaluate(batch)
        metrics.update(predictions, targets)
        return predictions, targets

    def on_validation_start(self) -> None:
        """Make sure that no checkpoint is written after this validation if the loss is no number."""
        self.flush()

    def on_validation_epoch_end(self) -> None:
        """Log the validation figures."""
        self._validated = self._log_metrics("val", self.val_metrics)

    def on_test_epoch_end(self) -> None:
        """Log the test figures."""
        self._log_metrics("test", self.test_metrics)

    def _log_metrics(self, stage: str, metrics: MetricCollection) -> dict[str, float]:
        figures = {f"{stage}/{name}": value for name, value in metrics.compute().items()}
        metrics.reset()
        check_finite_metric(f"{stage}/loss", figures[f"{stage}/loss"], self.current_epoch)
        for name, value in figures.items():
            # The values are already reduced over the devices; sync_dist repeats that on equal numbers.
            self.log(
                name,
                value.to(self.device),
                prog_bar=stage == "val" and name.removeprefix("val/") in self.train_metrics,
                sync_dist=True,
            )
        return {name: value.item() for name, value in figures.items()}


def mode(metric: Metric | MetricCollection) -> Mode | None:
    """Return "max" if higher values of a metric are better, "min" if lower ones are, None if it does not say."""
    higher = getattr(metric, "higher_is_better", None)
    return None if higher is None else "max" if higher else "min"
