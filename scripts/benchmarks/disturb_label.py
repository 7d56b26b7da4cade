"""Disturbing the labels of a batch: DisturbLabel of this project against tutorial 004's class, line by line."""

import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from models.regularizers import DisturbLabel
from scripts.benchmarks.contest import Contest, Target
from scripts.benchmarks.setup import Setup

CLASSES, ALPHA = 10, 30.0
OURS, TUTORIAL = "ours", "tutorial 004"
SECONDS = 0.5  # of each measurement


class TutorialDisturbLabel(nn.Module):
    """Tutorial 004's class, as it stands there."""

    def __init__(self, alpha: float, num_classes: int) -> None:
        super().__init__()
        self.alpha = alpha
        self.C = num_classes
        self.p_c = 1 - ((self.C - 1) / self.C) * (alpha / 100)
        self.p_i = (1 - self.p_c) / (self.C - 1)

    def forward(self, y: Tensor) -> Tensor:
        """Map labels (N,) to disturbed labels (N,)."""
        y_tensor = y.type(torch.LongTensor).view(-1, 1)  # type: ignore[call-overload]
        depth = self.C
        y_one_hot = torch.ones(y_tensor.size()[0], depth) * self.p_i
        y_one_hot.scatter_(1, y_tensor, self.p_c)
        y_one_hot = y_one_hot.view(*((*tuple(y.shape), -1)))
        distribution = torch.distributions.OneHotCategorical(y_one_hot)
        y_disturbed: Tensor = distribution.sample()  # type: ignore[no-untyped-call]
        return y_disturbed.max(dim=1)[1]


def contests(setup: Setup) -> Sequence[Contest]:
    """Return a contest for each size of batch."""
    return [_contest(size, SECONDS / 10 if setup.quick else SECONDS) for size in (128, 4096)]


def _contest(size: int, seconds: float) -> Contest:
    inputs, labels = torch.zeros(size, 1), torch.randint(CLASSES, (size,))
    ours, theirs = DisturbLabel(ALPHA), TutorialDisturbLabel(ALPHA, CLASSES)
    ours.setup(nn.Linear(1, CLASSES), CLASSES, ())
    contenders = {
        OURS: lambda _: rate(lambda: ours.perturb(inputs, labels), seconds),
        TUTORIAL: lambda _: rate(lambda: theirs(labels), seconds),
    }
    return Contest(f"DisturbLabel on {size:,} labels", "batches/s", contenders, [Target(OURS, TUTORIAL, 20, True)])


def rate(work: Callable[[], object], seconds: float) -> float:
    """Return how often a function can be called in a second, over so many seconds."""
    begin, count = time.perf_counter(), 0
    while time.perf_counter() < begin + seconds:
        work()
        count += 1
    return count / (time.perf_counter() - begin)
