"""The metrics of a run over the number of epochs trained."""

import bisect
import math
from collections.abc import Mapping
from typing import NamedTuple

from callbacks.event_log import RENAMED
from scripts.report.events import event_values
from scripts.report.folder import RunFolder
from scripts.report.metric_table import table_values

Points = list[tuple[float, float]]  # (epochs trained, or steps; value)

MOST_POINTS = 600  # of one curve that are drawn
EPOCHS = (RENAMED["epoch"], "epoch")  # names of the number of the epoch, now and in runs of earlier versions
OURS = ("best/", "_hparams_/", "hp_metric")  # what TensorBoard's table of hyperparameters shows


class Scalars(NamedTuple):
    """The metrics of a run.

    Attributes:
        curves: Points of each metric, in order.
        unit: What they are over: "epoch" or "step".
        began: Time of the first record, in seconds since 1970; None without one.
        ended: Time of the last.
    """

    curves: dict[str, Points]
    unit: str
    began: float | None
    ended: float | None


def read_scalars(folder: RunFolder) -> Scalars:
    """Return the metrics in a run's event files, or else in its CSV file; a problem is noted for what is damaged."""
    steps, times = event_values(folder)
    steps = steps or table_values(folder)
    numbers = next((steps[name] for name in EPOCHS if steps.get(name)), {})
    steps = {tag: points for tag, points in steps.items() if tag not in EPOCHS and not tag.startswith(OURS)}
    ends = _epoch_ends(numbers, steps)
    curves = {
        tag: [(_epochs(step, ends) if ends else float(step), value) for step, value in sorted(points.items())]
        for tag, points in steps.items()
    }
    began, ended = (times[0], times[-1]) if times else (None, None)
    return Scalars(curves, "epoch" if ends else "step", began, ended)


def _epoch_ends(epochs: Mapping[int, float], steps: Mapping[str, Mapping[int, float]]) -> list[tuple[int, float]]:
    """Return (last step, epochs trained then) of each epoch; of one that has not ended if it is the only one.

    Args:
        epochs: Number of the epoch, from 0, at each step.
        steps: Values of each metric at each step.
    """
    last: dict[float, int] = {}
    for step, epoch in sorted(epochs.items()):
        if math.isfinite(epoch):
            last[epoch] = step
    ends = sorted((step, epoch + 1) for epoch, step in last.items())
    measured = {step for tag, points in steps.items() if tag.startswith("train/") for step in points}
    if len(ends) > 1 and measured and ends[-1][0] not in measured:
        ends.pop()
    return ends


def _epochs(step: int, ends: list[tuple[int, float]]) -> float:
    """Return the number of epochs trained after a step, from those at the ends of epochs."""
    number = min(max(bisect.bisect_left(ends, (step, -1.0)), 0), len(ends) - 1)
    (then, done), (before, done_before) = ends[number], ends[number - 1] if number else (-1, ends[0][1] - 1)
    if step > then:  # in the last epoch, which has not ended
        length = max(then - before, 1) / max(done - done_before, 1)
        return done + (step - then) / length
    return done - (then - step) / max(then - before, 1) * (done - done_before)


def thinned(points: Points) -> Points:
    """Return points in order, evenly thinned to at most 600; the first and the last stay."""
    if len(points) <= MOST_POINTS:
        return points
    last = len(points) - 1
    return [points[round(number * last / (MOST_POINTS - 1))] for number in range(MOST_POINTS)]
