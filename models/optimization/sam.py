"""Sharpness-aware minimisation (SAM), and its scale-invariant form (ASAM), around any optimizer."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import LBFGS, Optimizer

from datamodules.checks import check_positive
from models.random_state import capture_random_state, restore_random_state

ETA = 0.01  # η, so that a weight of 0 moves too; the authors' own value
SMALLEST_NORM = 1e-12


def ascent(parameters: Sequence[Tensor], gradients: Sequence[Tensor], rho: float, adaptive: bool) -> list[Tensor]:
    """Return the step of all parameters along which the loss rises most within a neighbourhood.

    SAM's neighbourhood is a ball of radius ρ: ε = ρ g / ‖g‖ (its equation 2 with p = 2). ASAM measures it in units of
    each weight's own size, T = |w| + η: ε = ρ T² g / ‖T g‖. One-dimensional parameters have T = 1, as biases do in the
    authors' code; their code treats the scales of norms as weights, which a tensor's shape does not reveal.

    Args:
        parameters: Of any shapes.
        gradients: Of the same shapes.
        rho: ρ, above 0.
        adaptive: Use ASAM's neighbourhood instead of SAM's.
    """
    scales = [p.detach().abs() + ETA if adaptive and p.ndim > 1 else None for p in parameters]
    scaled = [g if t is None else g * t for g, t in zip(gradients, scales, strict=True)]
    factor = rho / (get_total_norm(scaled) + SMALLEST_NORM)
    return [(g if t is None else g * t) * factor for g, t in zip(scaled, scales, strict=True)]


class SAM(Optimizer):
    """Steps by the gradient at the worst point nearby, which leads to flat minima (Foret et al., arXiv 2010.01412).

    Wraps any optimizer whose step uses gradients. Each step computes the gradient twice, on the same batch with the
    same random draws: at the weights, and at the neighbour to which the first gradient leads (`ascent`). Then the
    weights are restored exactly, and the wrapped optimizer steps by the second gradient. A step takes twice the time.
    Clipping applies to both passes. With several devices both gradients are averaged, so all devices share one
    neighbour (in the paper each device has its own).

    Groups, state, options and `state_dict` are the wrapped optimizer's own: schedules act on it, and a checkpoint reads
    as if there were no wrapper.

    Args:
        optimizer: The optimizer to wrap.
        rho: Radius of the neighbourhood, above 0. The authors use 0.05 on CIFAR-10 and 0.1 on CIFAR-100; for ASAM, 0.5
            and 1.
        adaptive: Measure the neighbourhood in units of each weight's size (ASAM, Kwon et al., arXiv 2102.11600).

    Raises:
        ValueError: `rho` is not a number above 0, or the optimizer evaluates the loss itself.
    """

    def __init__(self, optimizer: Optimizer, rho: float = 0.05, adaptive: bool = False) -> None:
        check_positive("SAM", rho=rho)
        if isinstance(optimizer, LBFGS | SAM):
            raise ValueError(f"SAM: {type(optimizer).__name__} evaluates the loss itself and cannot be wrapped")
        super().__init__(optimizer.param_groups, optimizer.defaults)
        self.optimizer = optimizer
        self.rho = rho
        self.adaptive = adaptive
        self._use_wrapped_state()

    def _use_wrapped_state(self) -> None:
        self.param_groups = self.optimizer.param_groups
        self.state = self.optimizer.state
        self.defaults = self.optimizer.defaults

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Compute the gradient twice and step.

        Args:
            closure: Clears the gradients, computes the loss and its gradient, and returns the loss.

        Returns:
            The loss at the weights, from the first pass.

        Raises:
            ValueError: `closure` is None.
        """
        if closure is None:
            raise ValueError("SAM: step needs a closure that computes the loss and its gradient")
        device = self.param_groups[0]["params"][0].device
        before = capture_random_state(device)
        with torch.enable_grad():
            loss = closure()
        with self._climbed(), torch.enable_grad():
            restore_random_state(before, device)
            closure()
        self.optimizer.step()
        return loss

    @contextmanager
    def _climbed(self) -> Iterator[None]:
        """Move the parameters that have a gradient to the worst point nearby; restore them afterwards."""
        parameters = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        kept = [parameter.detach().clone() for parameter in parameters]
        with torch.no_grad():
            steps = ascent(parameters, [parameter.grad for parameter in parameters], self.rho, self.adaptive)
            for parameter, step in zip(parameters, steps, strict=True):
                parameter.add_(step)
        try:
            yield
        finally:
            with torch.no_grad():
                for parameter, value in zip(parameters, kept, strict=True):
                    parameter.copy_(value)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients."""
        self.optimizer.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """Return the wrapped optimizer's state."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Give the wrapped optimizer its state."""
        self.optimizer.load_state_dict(state_dict)
        self._use_wrapped_state()  # the groups are new objects
