"""The error of a training run that must not go on, and the numbers that are none."""

from collections.abc import Sequence

from torch import Tensor


class TrainingError(RuntimeError):
    """Training cannot go on, or its result would mean nothing; the message says why and what to do.

    Attributes:
        finished_epochs: Number of epochs that were trained before.
    """

    def __init__(self, message: str, finished_epochs: int = 0) -> None:
        super().__init__(message)
        self.finished_epochs = finished_epochs


def require_finite(objectives: Tensor, steps: Sequence[int], epoch: int) -> None:
    """Check what was minimised in each of some steps, (steps,).

    Raises:
        TrainingError: One is no number.
    """
    finite = objectives.isfinite()
    if not bool(finite.all()):
        first = int(finite.int().argmin())
        raise TrainingError(
            f"the loss is {objectives[first].item()} at step {steps[first]}, epoch {epoch + 1}: "
            f"lower the learning rate, or clip gradients (--trainer.gradient_clip_val 1)",
            finished_epochs=epoch,
        )


def require_finite_figure(name: str, figure: Tensor, epoch: int) -> None:
    """Check a figure that was measured.

    Raises:
        TrainingError: It is no number.
    """
    if not bool(figure.isfinite()):
        raise TrainingError(f"{name} is {figure.item()}: the network's outputs are no numbers", finished_epochs=epoch)
