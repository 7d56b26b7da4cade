"""Whether a loss fits a network: tried on made-up outputs, before the first step."""

import copy
import math
import warnings
from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import TrainingError
from models.objective import check_gradient, check_scalar, loss_divisor
from models.own_code import place_of, with_place

Compute = Callable[..., Tensor]  # the loss of outputs, targets and, if samples have any, weights
OutputKind = Literal["logits", "log-probabilities", "probabilities"]

SCALES = (0.1, 1.0, 3.0, 10.0, 30.0, 100.0)
SAMPLES = 64
HALVES = (slice(1), slice(1, None))
TOLERANCE = 1e-4  # of a loss in single precision, as a fraction of its size


class Trial:
    """A loss to try on the CPU, without warnings.

    Args:
        loss: The loss, for its name.
        compute: Its value of outputs and targets, and of weights if there are any.
    """

    def __init__(self, loss: nn.Module, compute: Compute) -> None:
        self.name = type(loss).__name__
        self.compute = compute

    def __call__(self, outputs: Tensor, targets: Tensor, *weights: Tensor) -> float:
        """Return the loss; infinity if it is NaN.

        Raises:
            TrainingError: It does not take them, or returns no scalar tensor.
        """
        try:
            with warnings.catch_warnings(action="ignore"):
                returned: Any = self.compute(outputs, targets, *weights)
        except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
            if isinstance(error, AttributeError) and place_of(error) is not None:
                raise  # a mistake in the user's own code, which the shapes have nothing to do with
            shapes = f"outputs {tuple(outputs.shape)} with targets {tuple(targets.shape)}"
            said = f"loss: {self.name} does not take {shapes}: {' '.join(str(error).split())}"
            raise TrainingError(with_place(said, error)) from error
        check_scalar(self.name, returned)
        value = float(returned)
        return math.inf if math.isnan(value) else value


def try_loss(task: Any, outputs: Tensor, targets: Tensor, weighted: bool) -> None:
    """Let a task check its loss, given the network's outputs for a training batch, without a trace in the training.

    The loss is moved to the precision of the outputs.

    Args:
        task: The task.
        outputs: The network's outputs for the batch, (N, ...).
        targets: The loss's targets for it, (N, ...).
        weighted: The samples have weights.

    Raises:
        TrainingError: The loss does not fit, or the outputs have no gradient.
    """
    check_gradient(f"network: {type(task.network).__name__} gives outputs", outputs)
    task.loss.to(outputs.dtype)  # class weights, in the precision that losses are computed in
    used, task.loss = task.loss, copy.deepcopy(task.loss).cpu().float()  # it may count its calls
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            trial = Trial(task.loss, task.compute_loss)
            task.check_loss(trial, outputs.detach().cpu())
            if weighted:
                check_weighted_loss(trial, outputs.shape[-1], targets[:SAMPLES].detach().cpu())
    finally:
        task.loss = used


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
        raise TrainingError("network: its outputs are probabilities; leave its last softmax out, or use nn.LogSoftmax")
    labels = some_labels(classes)
    targets, right = encode(labels), F.one_hot(labels, classes).float()

    def lowest(direction: Tensor, scales: tuple[float, ...]) -> float:
        shifts = {scale * sign for scale in (0.0, *scales) for sign in (-1, 1)}
        tried = (scale * direction + shift for scale in scales for shift in sorted(shifts))
        return min(trial(F.log_softmax(x, -1) if kind != "logits" else x, targets) for x in tried)

    remedy = "use CrossEntropyLoss, or end the network in nn.LogSoftmax if the loss takes log-probabilities"
    wrong = (-right, right.roll(1, -1), torch.zeros_like(right)) if classes > 1 else ()
    _check_directions(trial, kind, lowest, right, wrong, remedy)


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
    _check_directions(trial, "logits", lowest, right, wrong, "use BCEWithLogitsLoss")


def _check_directions(
    trial: Trial,
    kind: OutputKind,
    lowest: Callable[[Tensor, tuple[float, ...]], float],
    right: Tensor,
    wrong: tuple[Tensor, ...],
    remedy: str,
) -> None:
    best = lowest(right, SCALES)
    far = lowest(right, tuple(10 * scale for scale in SCALES))
    if far < best - max(1.0, abs(best)):
        raise TrainingError(f"loss: {trial.name} falls without end on {kind}, which the network gives; {remedy}")
    least = min((lowest(direction, SCALES) for direction in wrong), default=math.inf)
    if wrong and not best < least - TOLERANCE * max(abs(best), abs(least)):
        raise TrainingError(f"loss: {trial.name} is not lowest where the network is right, given {kind}")


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
            f"standard deviation 1; use MSELoss, L1Loss or HuberLoss"
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


def check_weighted_loss(trial: Trial, outputs: int, targets: Tensor) -> None:
    """Check that weights can act on a loss: that it consists of one number per sample.

    Args:
        trial: The loss.
        outputs: Number of the network's outputs per sample.
        targets: The loss's targets for some samples, (N, ...).

    Raises:
        TrainingError: They cannot.
    """
    tried = torch.randn(len(targets), outputs, generator=torch.Generator().manual_seed(0))
    plain = trial(tried, targets)
    try:
        same = math.isclose(plain, trial(tried, targets, torch.ones(len(targets))), rel_tol=1e-3)
    except TrainingError:
        same = False
    if not same:
        raise TrainingError(
            f"loss: {trial.name} does not give one number per sample, for the data's weights to act on: choose another "
            f"loss, or data without weights"
        )
