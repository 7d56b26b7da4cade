"""Temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017)."""

from collections.abc import Callable

import torch
from torch import Tensor

LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(logits: Tensor, targets: Tensor) -> float:
    """Return the temperature T that minimises the mean cross entropy of logits / T.

    In 1 / T the cross entropy is convex, so that its minimum is where its slope changes sign. T stays in [0.05, 20].

    If every sample is classified right there is no minimum: the smaller T, the better. T is then the one at which the
    mean confidence is (N + 1) / (N + 2), the rate of right classifications to expect after N of N (Laplace's rule of
    succession), or 1 if the network is as sure already.

    Args:
        logits: (N, C), at least one sample.
        targets: Labels, (N,).
    """
    exact = logits.double()
    exact = exact - exact.amax(-1, keepdim=True)
    true = exact.gather(1, targets.unsqueeze(1)).squeeze(1)
    others = exact.scatter(1, targets.unsqueeze(1), -torch.inf).amax(-1)
    if bool((true > others).all()):
        expected = (len(targets) + 1) / (len(targets) + 2)
        missing = lambda sharpness: (exact * sharpness).softmax(-1).amax(-1).mean().item() - expected  # noqa: E731
        return 1 / _rising_root(missing, 1.0, 1 / LOWEST)

    def slope(sharpness: float) -> float:
        return ((exact * sharpness).softmax(-1).mul(exact).sum(-1) - true).mean().item()

    if slope(1 / HIGHEST) == slope(1 / LOWEST) == 0:  # all classes have the same logit
        return 1.0
    return 1 / _rising_root(slope, 1 / HIGHEST, 1 / LOWEST)


def as_classes(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return yes/no labels as classes: logits (N · L, 2), "no" first, and targets (N · L,).

    Args:
        logits: (N, L).
        labels: (N, L), bool.
    """
    flat = logits.flatten()
    return torch.stack([torch.zeros_like(flat), flat], -1), labels.flatten().long()


def _rising_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising function is 0, or the bound that is nearest to it."""
    from scipy.optimize import brentq  # takes a moment to import

    if function(low) >= 0:
        return low
    if function(high) <= 0:
        return high
    root: float = brentq(function, low, high, xtol=1e-12)
    return root
