"""The results of training steps, kept until the training metrics are updated with several of them at once."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from models.divergence import learning_rate
from models.objective import Penalties, check_objective

FLUSH_EVERY = 50  # batches kept before metrics are updated at once: per-step updates cost more than a small network


class StepResults(NamedTuple):
    """What a training step gave, without gradients."""

    step: int  # of the optimizer, from 1
    objective: Tensor  # the minimised scalar
    outputs: Tensor  # the network's outputs for the batch
    targets: Tensor  # the data's targets
    penalties: Penalties  # the part of the objective that each regularizer added, to name one that is not finite
    rate: Any = None  # learning rate, of the first group of parameters


class TrainingRecord:
    """Keeps results of training steps and updates a task's training metrics with them.

    Attributes:
        recording: False while a batch is passed that was recorded already.
    """

    def __init__(self) -> None:
        self.recording = True
        self._kept: list[StepResults] = []

    def add(
        self,
        task: Any,
        objective: Tensor,
        outputs: Tensor,
        targets: Tensor,
        penalties: Penalties = (),
        where: str = "",
    ) -> None:
        """Keep the results of a training step, unless `recording` is off; see `StepResults`.

        `where` says where NaN or infinite numbers appeared in this step, if they did and that is known.

        Raises:
            TrainingError: The objective of a step is NaN or infinite.
        """
        if self.recording:
            detached = [(name, penalty.detach()) for name, penalty in penalties]
            step = task.global_step + 1
            results = StepResults(step, objective.detach(), outputs.detach(), targets, detached, learning_rate(task))
            self._kept.append(results)
        if len(self._kept) == FLUSH_EVERY or where:
            self.flush(task, where)

    def flush(self, task: Any, where: str = "") -> None:
        """Update the training metrics and log the mean objective.

        Raises:
            TrainingError: The objective of a step is NaN or infinite.
        """
        if not self._kept:
            return
        kept, self._kept = self._kept, []
        _, objectives, outputs, targets, *_ = zip(*kept, strict=True)
        # Reduced over devices, so that a NaN on one stops all; the others would wait for it forever.
        objective = task.trainer.strategy.reduce(torch.stack(objectives).float(), reduce_op="mean")
        check_objective(task, objective, kept, where)
        task.train_metrics.update(task.to_predictions(torch.cat(outputs)), torch.cat(targets))
        for logger in task.loggers:
            logger.log_metrics({"train/objective": objective.mean().item()}, step=task.global_step)

    def check(self, task: Any) -> None:
        """Stop the run before a checkpoint is written if an objective that is kept is NaN or infinite.

        Updating the metrics here would add up in another order than in a run that wrote no checkpoint.

        Raises:
            TrainingError: One is.
        """
        finite = all(bool(results.objective.isfinite().all()) for results in self._kept)
        if not task.trainer.strategy.reduce_boolean_decision(finite, all=True):
            self.flush(task)

    def state(self) -> list[list[Any]]:
        """Return what is kept, as tensors on the CPU and plain values."""
        return [[_moved(value, torch.device("cpu")) for value in results] for results in self._kept]

    def load_state(self, state: list[list[Any]], device: torch.device) -> None:
        """Keep what `state` returned."""
        self._kept = [StepResults(*(_moved(value, device) for value in results)) for results in state]

    def clear(self) -> None:
        """Drop what is left of the sanity check or of an earlier fit."""
        self._kept.clear()


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, list | tuple):
        return [_moved(item, device) for item in value]
    return value.to(device) if isinstance(value, Tensor) else value
