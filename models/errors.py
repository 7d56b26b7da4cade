"""The error of a training that must stop."""

from collections.abc import Sequence

from torch import Tensor


class TrainingError(RuntimeError):
    """Training cannot continue, or its result would mean nothing; the message says why and what to do."""


def check_objective(objectives: Tensor, steps: Sequence[int], epoch: int) -> None:
    """Check the objectives of training steps, (steps,).

    Raises:
        TrainingError: One is NaN or infinite.
    """
    finite = objectives.isfinite()
    if not bool(finite.all()):
        first = int(finite.int().argmin())
        raise TrainingError(
            f"the loss is {objectives[first].item()} at step {steps[first]}, epoch {epoch + 1}: "
            f"lower the learning rate, or clip gradients (--trainer.gradient_clip_val 1)"
        )
