"""Whether a loss leads outputs to the right answer: lowest there, and higher in other directions."""

import math
import warnings
from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import TrainingError
from models.last_operation import PROBABILITIES
from models.losses.trial import Trial
from models.objective import loss_divisor

OutputKind = Literal["logits", "log-probabilities", "probabilities"]

SCALES = (0.1, 1.0, 3.0, 10.0, 30.0, 100.0)
SAMPLES = 64
HALVES = (slice(1), slice(1, None))
TOLERANCE = 1e-4  # of a loss in single precision, as a fraction of its size
LEAST_GAIN = 0.05  # the same, where a loss such as MSELoss hardly tells one log-probability from another


def output_kind(outputs: Tensor) -> OutputKind:
    """Return what a classifier's outputs (N, C) are, C above 1: the result of log_softmax, of softmax, or neither."""
    values = outputs.detach().float()
    if values.shape[-1] > 1 and bool((values <= 0).all()) and bool((values.logsumexp(-1).abs() < 0.05).all()):
        return "log-probabilities"
    if values.shape[-1] > 1 and bool((values >= 0).all()) and bool(((values.sum(-1) - 1).abs() < 0.02).all()):
        return "probabilities"
    return "logits"


def some_labels(classes: int) -> Tensor:
    """Return labels (n,) to try; n is not the number of classes, so that a wrong shape is not taken for a right one."""
    return torch.arange(classes + 1 if classes < 8 else 7) % classes


def check_class_loss(trial: Trial, encode: Callable[[Tensor], Tensor], outputs: Tensor) -> None:
    """Check that a loss leads a classifier to the right class: lowest there, and not falling without end.

    Args:
        trial: The loss.
        encode: Turns labels (n,) into its targets.
        outputs: The network's outputs for some samples, (N, C).

    Raises:
        TrainingError: It does not, or the network gives probabilities.
    """
    kind, classes = output_kind(outputs), outputs.shape[-1]
    if kind == "probabilities":
        raise TrainingError(PROBABILITIES)
    labels = some_labels(classes)
    targets, right = encode(labels), F.one_hot(labels, classes).float()

    def lowest(direction: Tensor, scales: tuple[float, ...]) -> float:
        shifts = {scale * sign for scale in (0.0, *scales) for sign in (-1, 1)}
        tried = (scale * direction + shift for scale in scales for shift in sorted(shifts))
        return min(trial(F.log_softmax(x, -1) if kind != "logits" else x, targets) for x in tried)

    logs = ", or end the network in nn.LogSoftmax if the loss takes log-probabilities" if kind == "logits" else ""
    wrong = (-right, right.roll(1, -1), torch.zeros_like(right)) if classes > 1 else ()
    _check_directions(trial, kind, lowest, right, wrong, logs)


def check_label_loss(trial: Trial, labels: int) -> None:
    """Check that a loss leads a classifier to the right yes/no labels: lowest there, and not falling without end.

    Args:
        trial: The loss.
        labels: Number of labels per sample, L.

    Raises:
        TrainingError: It does not.
    """
    samples = torch.arange(labels + 1 if labels < 8 else 7).unsqueeze(1)
    targets = ((samples + torch.arange(labels)) % 2).float()
    right = 2 * targets - 1

    def lowest(direction: Tensor, scales: tuple[float, ...]) -> float:
        return min(trial(scale * direction, targets) for scale in scales)

    wrong = (-right, torch.zeros_like(right), torch.ones_like(right), -torch.ones_like(right))
    _check_directions(trial, "logits", lowest, right, wrong)


def _check_directions(
    trial: Trial,
    kind: OutputKind,
    lowest: Callable[[Tensor, tuple[float, ...]], float],
    right: Tensor,
    wrong: tuple[Tensor, ...],
    or_else: str = "",
) -> None:
    best = lowest(right, SCALES)
    far = lowest(right, tuple(10 * scale for scale in SCALES))
    if far < best - max(1.0, abs(best)):
        raise TrainingError(
            f"loss: {trial.name} falls without end on {kind}, which the network gives; use {trial.instead}{or_else}"
        )
    least = min((lowest(direction, SCALES) for direction in wrong), default=math.inf)
    gain = (TOLERANCE if kind == "logits" else LEAST_GAIN) * max(abs(best), abs(least))
    if wrong and not best < least - gain:
        raise TrainingError(
            f"loss: {trial.name} is not lowest where the network is right, given {kind}; use {trial.instead}"
        )


def check_value_loss(trial: Trial, outputs: int) -> None:
    """Check that a loss leads a regressor to the standardised targets: lowest there, and higher elsewhere.

    Args:
        trial: The loss.
        outputs: Number of targets per sample.

    Raises:
        TrainingError: It does not.
    """
    generator = torch.Generator().manual_seed(0)
    targets = torch.randn(SAMPLES, outputs, generator=generator)
    noise = torch.randn(SAMPLES, outputs, generator=generator)
    wrong = [targets + sign * scale for scale in SCALES for sign in (-1, 1)]
    wrong += [targets * factor for factor in (0, 0.5, 2, 10, -1)] + [targets + scale * noise for scale in SCALES]
    right, found = trial(targets, targets), [trial(values, targets) for values in wrong]
    lower = any(value < right - TOLERANCE * max(abs(value), abs(right)) for value in found if math.isfinite(value))
    if math.isinf(right) or lower or max(found) <= right:
        raise TrainingError(
            f"loss: {trial.name} is not lowest where outputs equal the standardised targets, which have mean 0 and "
            f"standard deviation 1; use {trial.instead}"
        )


def warn_of_coupled_samples(trial: Trial, loss: nn.Module, encode: Callable[[Tensor], Tensor], outputs: Tensor) -> None:
    """Warn of a loss that several devices cannot put together from the losses of their samples.

    Args:
        trial: The loss.
        loss: The same.
        encode: Turns labels (n,) into its targets.
        outputs: The network's outputs for some samples, (N, C).
    """
    if getattr(loss, "reduction", None) == "sum":
        return
    targets = encode(some_labels(outputs.shape[-1]))
    logits = 3 * torch.randn(len(targets), outputs.shape[-1])
    given = logits if output_kind(outputs) == "logits" else F.log_softmax(logits, -1)
    parts = [trial(given[part], targets[part]) * float(loss_divisor(loss, targets[part])) for part in HALVES]
    if not math.isclose(sum(parts), trial(given, targets) * float(loss_divisor(loss, targets)), rel_tol=1e-3):
        warnings.warn(
            f"loss: {trial.name} is not a mean over samples; each device computes it from its own samples alone, so "
            f"that the gradients differ from those of one device (a method divisor(targets) may state what it divides "
            f"the sum over samples by)",
            stacklevel=2,
        )
