"""Whether a loss fits a network: tried on made-up outputs, before the first step."""

import copy
import math
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import TrainingError
from models.last_operation import output_range
from models.objective import check_gradient, check_scalar
from models.own_code import place_of, with_place

Compute = Callable[..., Tensor]  # the loss of outputs, targets and, if samples have any, weights
SAMPLES = 64  # targets of a batch that weights are tried with


class Trial:
    """A loss to try on the CPU, without warnings.

    Args:
        loss: The loss, for its name.
        compute: Its value of outputs and targets, and of weights if there are any.
        instead: What to use instead.
    """

    def __init__(self, loss: nn.Module, compute: Compute, instead: str) -> None:
        self.name = type(loss).__name__
        self.compute = compute
        self.instead = instead

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
            said = f"loss: {self.name} does not take {shapes}: {' '.join(str(error).split()).rstrip('.')}"
            own = with_place(said, error)
            raise TrainingError(f"{said}; use {self.instead}" if own == said else own) from error
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
    found = output_range(outputs)
    if found is not None:
        task.check_range(found, outputs, targets)
    task.loss.to(outputs.dtype)  # class weights, in the precision that losses are computed in
    used, task.loss = task.loss, _copy_without_hooks(task.loss).cpu().float()  # it may count its calls
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            trial = Trial(task.loss, task.compute_loss, task.fitting_losses)
            task.check_loss(trial, outputs.detach().cpu())
            if weighted:
                check_weighted_loss(trial, outputs.shape[-1], targets[:SAMPLES].detach().cpu())
    finally:
        task.loss = used


def _copy_without_hooks(loss: nn.Module) -> nn.Module:
    """Return a copy of a loss without what watches it, such as PyTorch's profiler, which cannot be copied."""
    hooks = [held for part in loss.modules() for held in (part._forward_hooks, part._forward_pre_hooks)]
    copied: nn.Module = copy.deepcopy(loss, {id(held): OrderedDict() for held in hooks})
    return copied


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
